import { type Secret, sign } from '@scrapenest-webhooks/core'
import { InvalidArgumentError } from 'commander'
import { UsageError } from './usage-error.ts'

/** Parsers for option values. Commander adds the option's name to the message of an InvalidArgumentError. */

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

/** Parses seconds and returns milliseconds. */
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

const isoTime = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/

/**
 * Parses ISO 8601, such as `2026-01-31` (midnight UTC) or `2026-01-31T09:30:00Z`, and nothing else. `Date.parse` also accepts
 * `1`, `01/02/2026` and `2026-02-31`, and a purge would use a date that no one meant.
 *
 * @returns milliseconds since 1970, or `NaN`.
 */
export function parseIsoTime(text: string): number {
  const [, day] = isoTime.exec(text) ?? []
  if (day === undefined) return Number.NaN
  const dayMs = Date.parse(day)
  // `Date.parse` turns February 31 into March 3.
  const exists = !Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(day)
  return exists ? Date.parse(text) : Number.NaN
}

/** For repeatable options. */
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
 * The signing secrets from the environment, which no process list or shell history shows. During a rotation, a
 * comma-separated list, newest first, as in docs/guides/rotation.md.
 */
export function environmentSecrets(): readonly Secret[] {
  const secrets = (process.env['SCRAPENEST_WEBHOOK_SECRET'] ?? '').split(',')
  return secrets.map((secret) => secret.trim()).filter((secret) => secret !== '')
}

/**
 * The secrets from the option, or else from the environment.
 *
 * @throws {UsageError | ConfigurationError} if there is none, or one is malformed.
 */
export function readSecrets(option: readonly string[] | undefined): readonly [Secret, ...Secret[]] {
  const [newest, ...older] = option ?? environmentSecrets()
  if (!newest)
    throw new UsageError("Set SCRAPENEST_WEBHOOK_SECRET to the endpoint's secret (whsec_…), or use --secret.")
  // Signing validates a secret.
  for (const secret of [newest, ...older]) sign({ id: 'check', timestamp: 0, body: '' }, secret)
  return [newest, ...older]
}

/** The secret to sign with. During a rotation, the newest. */
export function readSecret(option: string | undefined): Secret {
  const [newest] = readSecrets(option === undefined ? undefined : [option])
  return newest
}
