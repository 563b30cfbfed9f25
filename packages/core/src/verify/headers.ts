import { types } from 'node:util'
import { isWebhookError, WebhookError } from '../errors.ts'

/**
 * Request headers in any form a host provides: Node's object, a `Headers`, a `Map`, or a list of pairs. Names are
 * case-insensitive.
 */
export type WebhookHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>

/** The two header families of a signed delivery: Svix's and Standard Webhooks'. */
export const headerFamilies = [
  { id: 'svix-id', timestamp: 'svix-timestamp', signature: 'svix-signature' },
  { id: 'webhook-id', timestamp: 'webhook-timestamp', signature: 'webhook-signature' },
] as const

export type HeaderFamily = (typeof headerFamilies)[number]

/** The headers this library reads. It ignores all others. */
const readNames = [
  'svix-id',
  'svix-timestamp',
  'svix-signature',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'content-encoding',
  'content-length',
  'content-type',
  'transfer-encoding',
  ':method',
] as const

type ReadName = (typeof readNames)[number]

const readNameSet: ReadonlySet<string> = new Set(readNames)

/** One value per header. Values that are not strings are kept; the header's grammar refuses them later. */
export type CollectedHeaders = { [Name in ReadName]?: unknown }

/**
 * Collects the headers this library reads from any form of headers.
 *
 * @throws {WebhookError} `duplicate_header`: several values, or one name in two spellings with different values. A
 * second content type is ignored, because it is used only to explain a lost body. `missing_header`: the headers are a
 * promise, such as the one that Next.js's `headers()` returns.
 */
export function collectHeaders(headers: WebhookHeaders | undefined | null): CollectedHeaders {
  const collected: CollectedHeaders = {}
  const source = headers as WebhookHeaders
  if (types.isPromise(source)) {
    throw new WebhookError('missing_header', 'The headers are a promise: await it.', { header: headerFamilies[0].id })
  }
  try {
    if (Symbol.iterator in source) {
      for (const pair of source) if (Array.isArray(pair)) collectHeader(collected, pair[0], pair[1])
    } else {
      for (const name in source) collectHeader(collected, name, source[name])
    }
  } catch (error) {
    if (isWebhookError(error)) throw error
    // No headers, or a getter, iterator or proxy that throws. The request may have a body, and this header makes
    // `mustCloseIfUnread` assume one.
    collected['transfer-encoding'] = error
  }
  return collected
}

function collectHeader(collected: CollectedHeaders, name: unknown, value: unknown): void {
  if (typeof name !== 'string' || value === null || value === undefined) return
  // Node's names are already lower case.
  const header = (readNameSet.has(name) ? name : name.toLowerCase()) as ReadName
  if (!readNameSet.has(header)) return
  const single = Array.isArray(value) ? singleValue(header, value) : value
  if (single === undefined) return
  const earlier = collected[header]
  if (earlier === undefined) collected[header] = single
  else if (earlier !== single && header !== 'content-type') throw duplicateHeader(header)
}

function singleValue(header: ReadName, values: readonly unknown[]): unknown {
  // A signature header is a list, so several of them form one longer list (Standard Webhooks, "Multiple Signatures").
  if (header.endsWith('-signature')) return values.filter((value) => typeof value === 'string').join(' ')
  if (values.length > 1 && header !== 'content-type') throw duplicateHeader(header)
  return values[0]
}

function duplicateHeader(header: string): WebhookError {
  return new WebhookError('duplicate_header', `Header: ${header}.`, { header })
}
