import { WebhookError } from './errors.ts'
import { headerFamilies, type ReceivedHeaders, type WantedHeader } from './headers.ts'
import { signatureLength } from './signing-key.ts'
import { parseTimestamp } from './timestamp.ts'

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

/**
 * Reads every complete header family (`svix-*`, `webhook-*`); a sender in transition may send both, and one that
 * verifies is enough. Costs no MAC: malformed and stale requests end here.
 *
 * @throws {WebhookError} `missing_header` (no family is complete), `message_id_invalid`, `timestamp_invalid`,
 * `timestamp_outside_tolerance`, `no_supported_signature`
 */
export function readSignedHeaders(
  headers: ReceivedHeaders,
  nowMs: number,
  toleranceSeconds: number,
): readonly SignedHeaders[] {
  const candidates: SignedHeaders[] = []
  let firstError: unknown
  for (const family of headerFamilies) {
    if (missingHeader(headers, family) !== undefined) continue
    const [idName, timestampName, signatureName] = family
    try {
      const id = headers[idName]
      if (typeof id !== 'string' || !idGrammar.test(id)) throw new WebhookError('message_id_invalid')
      const timestamp = parseTimestamp(headers[timestampName], nowMs, toleranceSeconds)
      const signatures = readSignatures(headers[signatureName])
      candidates.push({ id, timestamp, prefix: `${id}.${timestamp}.`, signatures })
    } catch (error) {
      firstError ??= error
    }
  }
  if (candidates.length > 0) return candidates
  const [svix, webhook] = headerFamilies
  const likely = headers['svix-id'] === undefined && headers['webhook-id'] !== undefined ? webhook : svix
  throw firstError ?? new WebhookError('missing_header', `${missingHeader(headers, likely)}.`)
}

/** Reads the space-separated tokens of a list, as many as are looked at; what follows is not even split. */
function readSignatures(value: unknown): readonly string[] {
  const list = typeof value === 'string' ? value : ''
  const signatures: string[] = []
  for (let start = 0, tokens = 0; start < list.length && tokens < maxSignatureTokens; ) {
    const space = list.indexOf(' ', start)
    const token = list.slice(start, space < 0 ? undefined : space)
    start += token.length + 1
    if (token === '') continue
    tokens += 1
    if (token[tokenLength - 1] === '=' && signatureGrammar.test(token)) {
      signatures.push(token.slice('v1,'.length, tokenLength))
    }
  }
  if (signatures.length === 0) throw new WebhookError('no_supported_signature', 'only v1 (HMAC-SHA256) is, not v1a.')
  return signatures
}

function missingHeader(headers: ReceivedHeaders, family: (typeof headerFamilies)[number]): WantedHeader | undefined {
  return family.find((name) => headers[name] === undefined || headers[name] === '')
}

/** The headers that a signature covers or carries, as received: what an inbox keeps as proof. */
export function signedHeadersOf(headers: ReceivedHeaders): Record<string, string> {
  const signed: Record<string, string> = {}
  for (const family of headerFamilies) {
    for (const name of family) {
      const value = headers[name]
      if (typeof value === 'string') signed[name] = value
    }
  }
  return signed
}
