import { timingSafeEqual } from 'node:crypto'
import { types } from 'node:util'
import { checkWholeNumber } from '../check.ts'
import { WebhookError } from '../errors.ts'
import type { AnyEvent, ScrapeNestEvents, UnknownEvent } from '../events.ts'
import { parseEnvelope } from './envelope.ts'
import { collectHeaders, type WebhookHeaders } from './headers.ts'
import { hmac, parseSecrets, type Secret, type SigningSecret } from './secret.ts'
import { defaultToleranceSeconds, readSignedHeaders, type SignedHeaders } from './signed-headers.ts'

/** Headers and body of one delivery, as received. */
export interface WebhookMessage {
  readonly headers: WebhookHeaders
  /** The bytes as received. A string is read as UTF-8; a parsed object is refused. */
  readonly body: Uint8Array | ArrayBuffer | string
}

export interface VerifyOptions {
  /**
   * Maximum distance between the timestamp and the clock, in seconds and in both directions.
   * @default 300: a larger value gives a captured delivery more time to be replayed.
   */
  readonly toleranceSeconds?: number
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

/** A message whose signature was checked. */
export interface VerifiedMessage {
  /** `svix-id`: the same for every delivery of this message. */
  readonly messageId: string
  /** When the sender signed this delivery. */
  readonly sentAt: Date
  /** The bytes that were verified. */
  readonly body: Uint8Array
  /** Position of the matching secret in the list. Above 0, it is not the first one: a rotation is under way. */
  readonly secretIndex: number
}

/**
 * Checks timestamp and signature of a delivery over its exact bytes and returns what was verified.
 *
 * The scheme is Svix's, which ScrapeNest follows: HMAC-SHA256 over `id.timestamp.body`
 * (docs.scrapenest.com/webhooks/verifying-signatures). The body may be anything, including empty or not JSON.
 *
 * @param message.headers Node's headers object, a `Headers`, a `Map` or a list of pairs.
 * @param secrets one `whsec_…`, or up to eight that are all valid (rotation).
 * @throws {WebhookError} `missing_header`, `duplicate_header`, `message_id_invalid`, `timestamp_invalid`,
 * `timestamp_outside_tolerance`, `no_supported_signature`, `signature_mismatch`, `raw_body_unavailable` (the body is
 * not bytes) or `configuration_invalid` (the secret). Nothing else, whatever a stranger sends.
 *
 * @example
 * const { messageId, body } = verify({ headers: request.headers, body: bytes }, process.env.SCRAPENEST_WEBHOOK_SECRET)
 */
export function verify(
  message: WebhookMessage,
  secrets: Secret | readonly (Secret | undefined)[] | undefined,
  options: VerifyOptions = {},
): VerifiedMessage {
  const parsed = parseSecrets(secrets)
  const { toleranceSeconds = defaultToleranceSeconds, now = () => Date.now() } = options
  // NaN or Infinity would silently switch the check off.
  checkWholeNumber('toleranceSeconds', toleranceSeconds, { min: 1 })
  const candidates = readSignedHeaders(collectHeaders(message?.headers), now(), toleranceSeconds)
  const body = toBytes(typeof message.body === 'string' ? Buffer.from(message.body) : message.body)
  const { signed, secretIndex } = matchSignature(candidates, body, parsed)
  return { messageId: signed.messageId, sentAt: new Date(signed.timestamp * 1000), body, secretIndex }
}

/**
 * Verifies a delivery and parses the event. `data` is typed by the catalogue and not checked against it; an event type
 * outside the catalogue has `data: unknown`.
 *
 * @throws {WebhookError} the codes of `verify`, and `envelope_invalid`.
 *
 * @example
 * const event = verifyEvent({ headers: request.headers, body: bytes }, process.env.SCRAPENEST_WEBHOOK_SECRET)
 * if (event.event_type === 'artifact.ready') console.log(event.data.artifact_type)
 */
export function verifyEvent<Events extends object = ScrapeNestEvents>(
  message: WebhookMessage,
  secrets: Secret | readonly (Secret | undefined)[] | undefined,
  options: VerifyOptions = {},
): AnyEvent<Events> | UnknownEvent {
  const { messageId, body } = verify(message, secrets, options)
  return parseEnvelope(body, messageId) as AnyEvent<Events> | UnknownEvent
}

/**
 * Tries each secret, each of its keys and each candidate, in this order; the first match wins. Digests are compared in
 * constant time.
 *
 * @throws {WebhookError} `signature_mismatch`
 */
export function matchSignature(
  candidates: readonly SignedHeaders[],
  body: Uint8Array,
  secrets: readonly SigningSecret[],
): { readonly signed: SignedHeaders; readonly secretIndex: number } {
  for (const [secretIndex, { keys }] of secrets.entries()) {
    for (const key of keys) {
      let expected: { readonly prefix: string; readonly digest: Buffer } | undefined
      for (const candidate of candidates) {
        const { prefix, signatures } = candidate
        // Two header families usually have the same id and timestamp: one HMAC serves both.
        if (expected?.prefix !== prefix) expected = { prefix, digest: hmac(key, prefix, body) }
        const { digest } = expected
        if (signatures.some((signature) => timingSafeEqual(signature, digest)))
          return { signed: candidate, secretIndex }
      }
    }
  }
  throw new WebhookError('signature_mismatch')
}

/**
 * A buffer, or any view of one, as a `Uint8Array`, without a copy. Text is refused: it may have been built from a parsed
 * body.
 *
 * @throws {WebhookError} `raw_body_unavailable`
 */
export function toBytes(body: unknown): Uint8Array {
  try {
    if (ArrayBuffer.isView(body)) {
      // Not an instance of our Uint8Array if it comes from another realm (a vm context, a test runner).
      return body instanceof Uint8Array ? body : new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
    }
    if (types.isAnyArrayBuffer(body)) return new Uint8Array(body)
  } catch {
    // Detached: its memory has been transferred to another thread.
  }
  const fix = types.isPromise(body)
    ? 'The body is a promise: await it.'
    : 'Pass the bytes as they were received, before any parser.'
  throw new WebhookError('raw_body_unavailable', fix)
}
