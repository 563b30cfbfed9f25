import { timingSafeEqual } from 'node:crypto'
import { types } from 'node:util'
import { checkWholeNumber, ownProperties } from '../check.ts'
import { WebhookError } from '../errors.ts'
import type { AnyEvent, ScrapeNestEvents, UnknownEvent } from '../events.ts'
import { parseEnvelope } from './envelope.ts'
import { collectHeaders, type WebhookHeaders } from './headers.ts'
import { hmac, parseSecrets, type Secret, type SigningSecret } from './secret.ts'
import { defaultToleranceSeconds, readSignedHeaders, type SignedHeaders } from './signed-headers.ts'

/** Headers and body of one delivery, as received. */
export interface WebhookMessage {
  /** Node's headers object, a `Headers`, a `Map` or a list of pairs. */
  readonly headers: WebhookHeaders
  /** The bytes as received. A string is encoded as UTF-8. A parsed object is refused. */
  readonly body: Uint8Array | ArrayBuffer | string
}

/** The options of `verify` and `verifyEvent`. */
export interface VerifyOptions {
  /**
   * Maximum difference between the timestamp and the clock, in seconds, in both directions.
   * @default 300: with a larger value, a captured delivery can be replayed for longer
   */
  readonly toleranceSeconds?: number
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

/** A message whose signature has been verified. */
export interface VerifiedMessage {
  /** `svix-id`: the same for every delivery of this message. */
  readonly messageId: string
  /** When the sender signed this delivery. */
  readonly sentAt: Date
  /** The bytes that were verified. */
  readonly body: Uint8Array
  /** Index of the matching secret in the list. Above 0, a rotation is in progress. */
  readonly secretIndex: number
}

/**
 * Verifies the timestamp and the signature of a delivery over its exact bytes.
 *
 * ScrapeNest follows Svix's scheme: HMAC-SHA256 over `id.timestamp.body`
 * (docs.scrapenest.com/webhooks/verifying-signatures). The body need not be JSON and may be empty.
 *
 * @param message.headers Node's headers object, a `Headers`, a `Map` or a list of pairs.
 * @param message.body the bytes as received, or a string, which is encoded as UTF-8.
 * @param secrets one `whsec_…`, or up to eight during a rotation. Any of them may match.
 * @throws {WebhookError} `missing_header`, `duplicate_header`, `message_id_invalid`, `timestamp_invalid`,
 * `timestamp_outside_tolerance`, `no_supported_signature`, `signature_mismatch`, `raw_body_unavailable` (the body is
 * not bytes) or `configuration_invalid` (a secret or an option). Throws nothing else, whatever the sender sends.
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
  // Own properties only: a polluted `Object.prototype` must not widen the tolerance.
  const own = ownProperties(options)
  const { toleranceSeconds = defaultToleranceSeconds, now = () => Date.now() } = own
  // NaN or Infinity would silently disable the check.
  checkWholeNumber('toleranceSeconds', toleranceSeconds, { min: 1 })
  const candidates = readSignedHeaders(collectHeaders(message?.headers), now(), toleranceSeconds)
  const body = toBytes(typeof message.body === 'string' ? Buffer.from(message.body) : message.body)
  const { signed, secretIndex } = matchSignature(candidates, body, parsed)
  return { messageId: signed.messageId, sentAt: new Date(signed.timestamp * 1000), body, secretIndex }
}

/**
 * Verifies a delivery and parses the event. The catalog types `data` but does not check it. An event type outside the
 * catalog has `data: unknown`. Parameters are those of `verify`.
 *
 * @throws {WebhookError} the codes of `verify`, or `envelope_invalid`.
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
 * Tries each secret, each of its keys and each candidate, in this order. The first match wins. Compares digests in
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
        // Two header families usually share id and timestamp, so one HMAC serves both.
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
 * Converts a buffer, or any view of one, to a `Uint8Array`, without copying. Refuses text: it may come from a parsed body.
 *
 * @throws {WebhookError} `raw_body_unavailable`
 */
export function toBytes(body: unknown): Uint8Array {
  const bytes = asBytes(body)
  if (bytes !== undefined) return bytes
  const fix = types.isPromise(body)
    ? 'The body is a promise: await it.'
    : 'Pass the bytes as received, before any parser runs.'
  throw new WebhookError('raw_body_unavailable', fix)
}

/** The same conversion, or `undefined` for anything but bytes. */
export function asBytes(body: unknown): Uint8Array | undefined {
  try {
    if (ArrayBuffer.isView(body)) {
      // A view from another realm (a vm context, a test runner) is not an instance of this Uint8Array.
      return body instanceof Uint8Array ? body : new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
    }
    return types.isAnyArrayBuffer(body) ? new Uint8Array(body) : undefined
  } catch {
    // Detached: its memory has been transferred to another thread.
    return undefined
  }
}
