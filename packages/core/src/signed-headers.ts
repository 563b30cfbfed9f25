import { MessageIdInvalidError, MissingHeaderError, NoSupportedSignatureError } from './errors.ts'
import type { ReceivedHeaders, WantedHeader } from './headers.ts'
import { signatureLength } from './signing-key.ts'
import { checkTolerance, parseTimestamp } from './timestamp.ts'

/** What a delivery says of itself in its headers: checked for form and freshness, not yet for truth. */
export interface SignedHeaders {
  readonly id: string
  /** Unix time in seconds, as signed. */
  readonly timestamp: number
  /** What precedes the body in the signed content: `id.timestamp.` */
  readonly prefix: string
  /** The well-formed `v1` signatures, in canonical base64 of 32 bytes. */
  readonly signatures: readonly string[]
}

interface Family {
  readonly id: WantedHeader
  readonly timestamp: WantedHeader
  readonly signature: WantedHeader
}

const svix: Family = { id: 'svix-id', timestamp: 'svix-timestamp', signature: 'svix-signature' }
const webhook: Family = { id: 'webhook-id', timestamp: 'webhook-timestamp', signature: 'webhook-signature' }
const families = [svix, webhook]

/** A delivery in rotation carries two signatures; a header of hundreds is an attack on our CPU. */
const maxSignatureTokens = 16

// The full stop separates id, timestamp and body in the signed content: an id that contains one lets the same signature
// stand for another id and body. Beyond ASCII, the header's text no longer tells which bytes were signed.
const idGrammar = /^[\x21-\x2b\x2d\x2f-\x7e]{1,256}$/

// 32 bytes in canonical base64: 43 characters, the last of which carries two zero bits, and one "=". Node joins a header
// that was sent twice with ", ": the comma that this leaves at the end of a token is no part of it. The length is checked
// apart, by where the "=" is, because a regular expression that counts is slow.
const signatureGrammar = /^v1,[A-Za-z0-9+/]+[AEIMQUYcgkosw048]=,?$/
const tokenLength = 'v1,'.length + signatureLength

interface TimestampLimits {
  readonly nowMs: number
  readonly toleranceSeconds: number
}

/**
 * Reads every complete header family (`svix-*`, `webhook-*`); a sender in transition may send both, and one that
 * verifies is enough. Costs no MAC: malformed and stale requests end here.
 *
 * @throws {MissingHeaderError} `missing_header`: no family is complete.
 * @throws {MessageIdInvalidError} `message_id_invalid`
 * @throws {TimestampInvalidError} `timestamp_invalid`
 * @throws {TimestampOutsideToleranceError} `timestamp_outside_tolerance`
 * @throws {NoSupportedSignatureError} `no_supported_signature`
 */
export function readSignedHeaders(headers: ReceivedHeaders, limits: TimestampLimits): readonly SignedHeaders[] {
  const candidates: SignedHeaders[] = []
  let firstError: unknown
  for (const family of families) {
    if (missingHeader(headers, family) !== undefined) continue
    try {
      candidates.push(readFamily(headers, family, limits))
    } catch (error) {
      firstError ??= error
    }
  }
  if (candidates.length > 0) return candidates
  throw firstError ?? new MissingHeaderError(mostLikelyMissing(headers))
}

function readFamily(
  headers: ReceivedHeaders,
  family: Family,
  { nowMs, toleranceSeconds }: TimestampLimits,
): SignedHeaders {
  const id = headers[family.id]
  if (typeof id !== 'string' || !idGrammar.test(id)) throw new MessageIdInvalidError(family.id)
  const timestamp = parseTimestamp(headers[family.timestamp], family.timestamp)
  checkTolerance(timestamp, nowMs, toleranceSeconds)
  const signatures = readSignatures(headers[family.signature], family.signature)
  return { id, timestamp, prefix: `${id}.${timestamp}.`, signatures }
}

/** Reads the space-separated tokens of a list, as many as are looked at; what follows is not even split. */
function readSignatures(value: unknown, header: string): readonly string[] {
  const list = typeof value === 'string' ? value : ''
  const signatures: string[] = []
  let hasAsymmetric = false
  for (let start = 0, tokens = 0; start < list.length && tokens < maxSignatureTokens; ) {
    const space = list.indexOf(' ', start)
    const end = space === -1 ? list.length : space
    const token = list.slice(start, end)
    start = end + 1
    if (token === '') continue
    tokens += 1
    if (token[tokenLength - 1] === '=' && signatureGrammar.test(token))
      signatures.push(token.slice('v1,'.length, tokenLength))
    else hasAsymmetric ||= token.startsWith('v1a,')
  }
  if (signatures.length === 0) throw new NoSupportedSignatureError(header, hasAsymmetric)
  return signatures
}

function missingHeader(headers: ReceivedHeaders, { id, timestamp, signature }: Family): string | undefined {
  if (isMissing(headers[id])) return id
  if (isMissing(headers[timestamp])) return timestamp
  return isMissing(headers[signature]) ? signature : undefined
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === ''
}

function mostLikelyMissing(headers: ReceivedHeaders): string {
  const isWebhookFamily = headers[webhook.id] !== undefined && headers[svix.id] === undefined
  return missingHeader(headers, isWebhookFamily ? webhook : svix) as string
}

/** The headers that a signature covers or carries, as received: what an inbox keeps as proof. */
export function signedHeadersOf(headers: ReceivedHeaders): Record<string, string> {
  const signed: Record<string, string> = {}
  for (const family of families) {
    for (const name of [family.id, family.timestamp, family.signature]) {
      const value = headers[name]
      if (typeof value === 'string') signed[name] = value
    }
  }
  return signed
}
