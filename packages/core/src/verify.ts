import { toBytes } from './bytes.ts'
import { checkWholeNumber } from './check-options.ts'
import { parseEnvelope } from './envelope.ts'
import { WebhookError } from './errors.ts'
import type { AnyEvent, ScrapeNestEvents } from './events.ts'
import { collectHeaders, type WebhookHeaders } from './headers.ts'
import { parseSecrets, type Secret, type SigningSecret } from './secret.ts'
import { readSignedHeaders, type SignedHeaders } from './signed-headers.ts'
import { defaultToleranceSeconds } from './timestamp.ts'

/** Headers and body of one delivery, as they came. */
export interface WebhookMessage {
  readonly headers: WebhookHeaders
  /** The bytes as received. A string is taken as UTF-8; a parsed object is refused. */
  readonly body: Uint8Array | string
}

export interface VerifyOptions {
  /**
   * How far the timestamp may be from the clock, in seconds and in both directions.
   * @default 300: a longer time gives a captured delivery longer to be replayed.
   */
  readonly toleranceSeconds?: number
  /**
   * The clock, in milliseconds since 1970.
   * @default Date.now
   */
  readonly now?: () => number
}

/** A message whose signature was checked. */
export interface VerifiedMessage {
  /** `svix-id`: the same for every attempt to deliver this message. */
  readonly id: string
  /** When the sender signed this attempt. */
  readonly sentAt: Date
  /** The bytes that were verified. */
  readonly body: Uint8Array
  /** Which of the given secrets matched; not 0 while a rotation is under way. */
  readonly secretIndex: number
}

/**
 * Checks timestamp and signature of a delivery over its exact bytes, and gives back what was verified.
 *
 * The scheme is Svix's, which ScrapeNest says it follows: HMAC-SHA256 over `id.timestamp.body`
 * (docs.scrapenest.com/webhooks/verifying-signatures). The body may be anything, also empty or not JSON.
 *
 * @param message.headers Node's headers object, a `Headers`, a `Map` or a list of pairs.
 * @param secrets one `whsec_…` or up to eight, all of them valid (rotation).
 * @throws {WebhookError} `missing_header`, `duplicate_header`, `message_id_invalid`, `timestamp_invalid`,
 * `timestamp_outside_tolerance`, `no_supported_signature`, `signature_mismatch`, `raw_body_unavailable` (the body is no
 * bytes) or `configuration_invalid` (the secret). Nothing else, whatever the input.
 *
 * @example
 * const { id, body } = verify({ headers: request.headers, body: bytes }, process.env.SCRAPENEST_WEBHOOK_SECRET)
 */
export function verify(
  message: WebhookMessage,
  secrets: Secret | readonly (Secret | undefined)[] | undefined,
  options: VerifyOptions = {},
): VerifiedMessage {
  // `undefined` is let through by the type so that process.env compiles, and refused here with the fix.
  const keys = parseSecrets(secrets as Secret)
  const { toleranceSeconds = defaultToleranceSeconds, now = Date.now } = options
  // NaN or Infinity would silently switch the check off.
  checkWholeNumber('toleranceSeconds', toleranceSeconds, { min: 1 })
  const candidates = readSignedHeaders(collectHeaders(message?.headers), now(), toleranceSeconds)
  return matchSignature(
    candidates,
    toBytes(typeof message.body === 'string' ? Buffer.from(message.body) : message.body),
    keys,
  )
}

/**
 * `verify`, and the event that the bytes hold. Its `data` is typed by the catalogue and not checked against it.
 *
 * @throws {WebhookError} as `verify`, and `envelope_invalid`.
 *
 * @example
 * const event = verifyEvent({ headers: request.headers, body: bytes }, process.env.SCRAPENEST_WEBHOOK_SECRET)
 * if (event.event_type === 'artifact.ready') console.log(event.data.artifact_type)
 */
export function verifyEvent<Events extends object = ScrapeNestEvents>(
  message: WebhookMessage,
  secrets: Secret | readonly (Secret | undefined)[] | undefined,
  options: VerifyOptions = {},
): AnyEvent<Events> {
  const { id, body } = verify(message, secrets, options)
  // The catalogue is the sender's promise; a schema per event type is how a receiver checks it.
  return parseEnvelope(body, id) as AnyEvent<Events>
}

/**
 * Finds the first secret, in their order, that signed the body under one of the candidate headers.
 *
 * @throws {WebhookError} `signature_mismatch`
 */
export function matchSignature(
  candidates: readonly SignedHeaders[],
  body: Uint8Array,
  secrets: readonly SigningSecret[],
): VerifiedMessage {
  for (const { id, timestamp, prefix, signatures } of candidates) {
    for (let secretIndex = 0; secretIndex < secrets.length; secretIndex += 1) {
      const secret = secrets[secretIndex] as SigningSecret
      if (secret.matches(prefix, body, signatures)) return { id, sentAt: new Date(timestamp * 1000), body, secretIndex }
    }
  }
  throw new WebhookError('signature_mismatch', "another endpoint's secret, or a proxy or middleware changed the bytes.")
}
