import { isWebhookError, WebhookError } from './errors.ts'

/**
 * The headers of a request in any form a host hands out: Node's object, a `Headers`, a `Map`, or a list of pairs.
 * Names match in any case.
 */
export type WebhookHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>

/** The headers of a signed delivery: Svix's names, and those of Standard Webhooks. */
export const headerFamilies = [
  ['svix-id', 'svix-timestamp', 'svix-signature'],
  ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
] as const

export type WantedHeader =
  | (typeof headerFamilies)[number][number]
  | 'content-encoding'
  | 'content-length'
  | 'transfer-encoding'
  | ':method'

/** The names this library reads; every other header is ignored unread. */
const wantedNames: readonly WantedHeader[] = [
  ...headerFamilies.flat(),
  'content-encoding',
  'content-length',
  'transfer-encoding',
  ':method',
]

/** The headers this library reads, each once. A value that is no text stays as it is, for its grammar to refuse. */
export type ReceivedHeaders = { [Name in WantedHeader]?: unknown }

const wanted: ReadonlyMap<string, WantedHeader> = new Map(wantedNames.map((name) => [name, name]))

/**
 * Picks what we read out of any form of headers.
 *
 * @throws {WebhookError} `duplicate_header`: a list of several values, or the same name in two spellings with different values.
 */
export function collectHeaders(headers: WebhookHeaders | undefined | null): ReceivedHeaders {
  const received: ReceivedHeaders = {}
  const all = headers as WebhookHeaders
  try {
    if (Symbol.iterator in all) {
      for (const pair of all) if (Array.isArray(pair)) collect(received, pair[0], pair[1])
    } else {
      for (const name in all) collect(received, name, all[name])
    }
  } catch (error) {
    if (isWebhookError(error)) throw error
    // No headers at all, or a getter, an iterator or a proxy that throws: what cannot be read is not there, but for a body.
    received['transfer-encoding'] = error
  }
  return received
}

function collect(received: ReceivedHeaders, name: unknown, value: unknown): void {
  if (typeof name !== 'string' || value === null) return
  const header = wanted.get(name) ?? wanted.get(name.toLowerCase())
  if (header === undefined) return
  let single = value
  if (Array.isArray(value)) {
    // A signature header is itself a list, so several of them are one longer list (Standard Webhooks, "Multiple Signatures").
    if (header.endsWith('-signature')) single = value.filter((one) => typeof one === 'string').join(' ')
    else if (value.length > 1) throw new WebhookError('duplicate_header', `${header}.`)
    else [single] = value
  }
  if (single === undefined) return
  const earlier = received[header]
  if (earlier !== undefined && earlier !== single) throw new WebhookError('duplicate_header', `${header}.`)
  received[header] = single
}
