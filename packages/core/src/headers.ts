import { DuplicateHeaderError, isWebhookError } from './errors.ts'

/**
 * The headers of a request in any form a host hands out: Node's object, a `Headers`, a `Map`, or a list of pairs.
 * Names match in any case.
 */
export type WebhookHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>

/** The names this library reads; every other header is ignored unread. */
const wantedNames = [
  'svix-id',
  'svix-timestamp',
  'svix-signature',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'content-encoding',
  'content-length',
] as const

export type WantedHeader = (typeof wantedNames)[number]

/** The headers this library reads, each once. A value that is no text stays as it is, for its grammar to refuse. */
export type ReceivedHeaders = { [Name in WantedHeader]?: unknown }

const wanted: ReadonlyMap<string, WantedHeader> = new Map(wantedNames.map((name) => [name, name]))

/** Most headers of a request are of another length than any that is wanted, and need no lower-casing to be told apart. */
const wantedLengths: ReadonlySet<number> = new Set(wantedNames.map((name) => name.length))

/**
 * Picks what we read out of any form of headers.
 *
 * @throws {DuplicateHeaderError} `duplicate_header`: a list of several values, or the same name in two spellings with different values.
 */
export function collectHeaders(headers: WebhookHeaders | undefined | null): ReceivedHeaders {
  const received: ReceivedHeaders = {}
  const all = headers as WebhookHeaders
  try {
    if (isIterable(all)) {
      for (const pair of all) if (Array.isArray(pair)) collect(received, pair[0], pair[1])
    } else {
      for (const name in all) collect(received, name, all[name])
    }
  } catch (error) {
    // No headers at all, or a getter, an iterator or a proxy that throws: what cannot be read is not there.
    if (isWebhookError(error)) throw error
  }
  return received
}

function collect(received: ReceivedHeaders, name: unknown, value: unknown): void {
  if (typeof name !== 'string' || !wantedLengths.has(name.length) || value === null) return
  const header = wanted.get(name) ?? wanted.get(name.toLowerCase())
  if (header === undefined) return
  const single = Array.isArray(value) ? singleValue(header, value) : value
  if (single === undefined) return
  const earlier = received[header]
  if (earlier !== undefined && earlier !== single) throw new DuplicateHeaderError(header)
  received[header] = single
}

function singleValue(header: WantedHeader, values: readonly unknown[]): unknown {
  // A signature header is itself a list, so several of them are one longer list (Standard Webhooks, "Multiple Signatures").
  if (header.endsWith('-signature')) return values.filter((value) => typeof value === 'string').join(' ')
  if (values.length > 1) throw new DuplicateHeaderError(header)
  return values[0]
}

export function isIterable(headers: object): headers is Iterable<readonly [string, string]> {
  return Symbol.iterator in headers
}
