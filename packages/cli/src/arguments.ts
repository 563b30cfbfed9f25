import { type Secret, sign } from '@scrapenest-webhooks/core'
import { InvalidArgumentError } from 'commander'
import { UsageError } from './report-failure.ts'

/** Parsers of option values; commander turns what they throw into a message that names the option. */

export function parseNumber(range: { readonly min: number; readonly max?: number }): (text: string) => number {
  const { min, max = Number.MAX_SAFE_INTEGER } = range
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Expected a number from ${min}${range.max === undefined ? '' : ` to ${max}`}.`)
    }
    return value
  }
}

export function parseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('Expected a URL, for example http://localhost:3000/webhooks/scrapenest.')
  }
  return text
}

/** For an option that may be given several times. */
export function collect(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), text]
}

export function collectUrls(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return collect(parseUrl(text), earlier)
}

/** `key=value`, where the value is JSON if it can be, and text otherwise. */
export function parseAssignment(text: string): readonly [key: string, value: unknown] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`Expected key=value, got ${JSON.stringify(text)}.`)
  const value = text.slice(at + 1)
  try {
    return [text.slice(0, at), JSON.parse(value)]
  } catch {
    return [text.slice(0, at), value]
  }
}

/**
 * The signing secret: an option, or better the environment, which no list of processes shows.
 *
 * @throws {UsageError | ConfigurationError} there is none, or it is malformed.
 */
export function secretOf(option: string | undefined): Secret {
  const secret = option ?? process.env['SCRAPENEST_WEBHOOK_SECRET']
  if (secret) {
    sign({ id: 'check', timestamp: 0, body: '' }, secret)
    return secret
  }
  throw new UsageError("Set SCRAPENEST_WEBHOOK_SECRET to the endpoint's whsec_…, or give --secret.")
}
