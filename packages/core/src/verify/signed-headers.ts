import { WebhookError } from '../errors.ts'
import { type CollectedHeaders, type HeaderFamily, headerFamilies } from './headers.ts'

/** ScrapeNest's samples accept a difference of 300 s, past or future, inclusive ("Verifying signatures"). */
export const defaultToleranceSeconds = 300

/** The signed headers of one family: well-formed and recent, but not yet verified. */
export interface SignedHeaders {
  readonly family: HeaderFamily
  readonly messageId: string
  /** Unix time in seconds. */
  readonly timestamp: number
  /** What precedes the body in the signed content: `id.timestamp.` */
  readonly prefix: string
  /** The well-formed `v1` signatures: canonical base64 of 32 bytes, as bytes for `timingSafeEqual`. */
  readonly signatures: readonly Uint8Array[]
}

// Periods separate id, timestamp and body in the signed content. If an id could contain one, the same signature would also
// fit another id and body. ASCII only: otherwise the text of the header does not determine the signed bytes.
const idGrammar = /^[\x21-\x2b\x2d\x2f-\x7e]{1,256}$/

/** Whether a value can be a message id: 1 to 256 printable ASCII characters, without periods or commas. */
export function isMessageId(value: unknown): value is string {
  return typeof value === 'string' && idGrammar.test(value)
}

// At most 15 digits, which a number holds exactly. `parseInt` would accept "123abc", "+123", and "1, 2" from a header
// sent twice.
const timestampGrammar = /^(0|[1-9]\d{0,14})$/

// 32 bytes in canonical base64: the last of the 43 characters ends in two zero bits. Node joins repeated headers with
// ", ", which leaves a comma at the end of a token.
const signatureGrammar = /^v1,([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=),?$/

/** A delivery signed during a rotation carries two signatures. Anything close to this limit is an attack on the CPU. */
const maxSignatures = 16
/** Bounds the split: double spaces produce empty tokens, which do not count as signatures. */
const maxTokens = 1_000

/**
 * Reads every complete header family (`svix-*`, `webhook-*`). A sender in transition may send both; one that verifies is
 * enough. Computes no MAC, so malformed and stale requests end early.
 *
 * @throws {WebhookError} `missing_header` (no family is complete), `message_id_invalid`, `timestamp_invalid`,
 * `timestamp_outside_tolerance`, `no_supported_signature`
 */
export function readSignedHeaders(
  headers: CollectedHeaders,
  nowMs: number,
  toleranceSeconds: number,
): readonly SignedHeaders[] {
  const candidates: SignedHeaders[] = []
  let firstError: unknown
  for (const family of headerFamilies) {
    if (missingHeader(headers, family) !== undefined) continue
    try {
      candidates.push(readFamily(headers, family, { nowMs, toleranceSeconds }))
    } catch (error) {
      firstError ??= error
    }
  }
  if (candidates.length > 0) return candidates
  throw firstError ?? missingHeaderError(headers)
}

function readFamily(
  headers: CollectedHeaders,
  family: HeaderFamily,
  { nowMs, toleranceSeconds }: { readonly nowMs: number; readonly toleranceSeconds: number },
): SignedHeaders {
  const messageId = headers[family.id]
  if (!isMessageId(messageId)) throw new WebhookError('message_id_invalid')
  const seconds = headers[family.timestamp]
  if (typeof seconds !== 'string' || !timestampGrammar.test(seconds)) throw new WebhookError('timestamp_invalid')
  const timestamp = Number(seconds)
  checkAge(Math.floor(nowMs / 1000) - timestamp, toleranceSeconds)
  const signatures = readSignatures(headers[family.signature])
  return { family, messageId, timestamp, prefix: `${messageId}.${seconds}.`, signatures }
}

/** The three headers of a complete family, as received. An inbox keeps them as proof. */
export function headersOf(
  headers: CollectedHeaders,
  { id, timestamp, signature }: HeaderFamily,
): Readonly<Record<string, string>> {
  return Object.fromEntries([id, timestamp, signature].map((name) => [name, headers[name] as string]))
}

function checkAge(ageSeconds: number, toleranceSeconds: number): void {
  // Written so that a NaN from the clock refuses the delivery.
  if (Math.abs(ageSeconds) <= toleranceSeconds) return
  const distance = `${Math.abs(ageSeconds)} s ${ageSeconds < 0 ? 'ahead' : 'old'}`
  const hint = ageSeconds < -1e11 ? ' Is it in milliseconds?' : ''
  throw new WebhookError(
    'timestamp_outside_tolerance',
    `It is ${distance}; the tolerance is ${toleranceSeconds} s.${hint}`,
    {
      ageSeconds,
      toleranceSeconds,
    },
  )
}

function readSignatures(list: unknown): readonly Uint8Array[] {
  const signatures: Uint8Array[] = []
  let count = 0
  for (const token of typeof list === 'string' ? list.split(' ', maxTokens) : []) {
    if (token === '') continue
    count += 1
    if (count > maxSignatures) break
    const base64 = signatureGrammar.exec(token)?.[1]
    if (base64 !== undefined) signatures.push(Buffer.from(base64))
  }
  if (signatures.length === 0) throw new WebhookError('no_supported_signature')
  return signatures
}

function missingHeader(headers: CollectedHeaders, { id, timestamp, signature }: HeaderFamily): string | undefined {
  return [id, timestamp, signature].find((name) => headers[name] === undefined || headers[name] === '')
}

/** Names the first missing header of the family that the sender most likely uses. */
function missingHeaderError(headers: CollectedHeaders): WebhookError {
  const [svix, standard] = headerFamilies
  const isStandard = headers[svix.id] === undefined && headers[standard.id] !== undefined
  const header = missingHeader(headers, isStandard ? standard : svix) as string
  return new WebhookError('missing_header', `Header: ${header}.`, { header })
}
