import { type Secret, sign } from '@scrapenest-webhooks/core'
import { InvalidArgumentError } from 'commander'
import { UsageError } from './usage-error.ts'

/** Parsers of option values. Commander adds the name of the option to the message of an InvalidArgumentError. */

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

/** Seconds on the command line, milliseconds in the code. */
export function parseSeconds(range: { readonly min: number; readonly max?: number }): (text: string) => number {
  const parse = parseNumber(range)
  return (text) => Math.round(parse(text) * 1000)
}

/** The URL of an endpoint or an API. */
export function parseUrl(text: string): string {
  return checkUrl(text, 'http://localhost:3000/webhooks/scrapenest')
}

/** The URL of a page to scrape. */
export function parseWebUrl(text: string): string {
  return checkUrl(text, 'https://shop.example/item/1')
}

function checkUrl(text: string, example: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError(`Expected a URL, such as ${example}.`)
  }
  return text
}

/** For an option that can be repeated. */
export function collect(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), text]
}

export function collectUrls(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return collect(parseUrl(text), earlier)
}

/** `key=value`. @throws {UsageError} */
export function parseAssignment(text: string): readonly [key: string, value: string] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`Expected key=value, got ${JSON.stringify(text)}.`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/**
 * The signing secrets from the environment, where no process list and no shell history shows them. During a rotation
 * they are a list with commas, newest first, as in docs/guides/rotation.md.
 */
export function environmentSecrets(): readonly Secret[] {
  const secrets = (process.env['SCRAPENEST_WEBHOOK_SECRET'] ?? '').split(',')
  return secrets.map((secret) => secret.trim()).filter((secret) => secret !== '')
}

/**
 * The secrets of the option, or else of the environment.
 *
 * @throws {UsageError | ConfigurationError} there is none, or one is malformed.
 */
export function readSecrets(option: readonly string[] | undefined): readonly [Secret, ...Secret[]] {
  const [newest, ...older] = option ?? environmentSecrets()
  if (!newest)
    throw new UsageError("Set SCRAPENEST_WEBHOOK_SECRET to the endpoint's secret (whsec_…), or use --secret.")
  // Signing parses a secret.
  for (const secret of [newest, ...older]) sign({ id: 'check', timestamp: 0, body: '' }, secret)
  return [newest, ...older]
}

/** The secret to sign with: during a rotation, the newest. */
export function readSecret(option: string | undefined): Secret {
  const [newest] = readSecrets(option === undefined ? undefined : [option])
  return newest
}
