/**
 * Every failure this library reports, one class and one code each.
 *
 * Four families, never mixed: a *delivery* was refused (the sender hears the code), a *handler* failed (the sender is
 * asked to come again), something this server *depends on* is out of reach, or the *configuration* is wrong.
 * `docs/errors/<code>.md` says for each code what happened and what to do.
 */

export type WebhookErrorCode =
  | 'body_aborted'
  | 'body_timeout'
  | 'body_too_large'
  | 'configuration_invalid'
  | 'content_encoding_unsupported'
  | 'duplicate_header'
  | 'envelope_invalid'
  | 'event_in_progress'
  | 'handler_failed'
  | 'handler_timeout'
  | 'message_id_invalid'
  | 'method_not_allowed'
  | 'missing_header'
  | 'no_supported_signature'
  | 'permanent_failure'
  | 'raw_body_unavailable'
  | 'receiver_closing'
  | 'retry_later'
  | 'schema_mismatch'
  | 'secret_not_found'
  | 'secret_unavailable'
  | 'signature_mismatch'
  | 'source_not_allowed'
  | 'store_unavailable'
  | 'timestamp_invalid'
  | 'timestamp_outside_tolerance'

/** The root of every error this library throws. Abstract: each failure has a class and a code of its own. */
export abstract class WebhookError extends Error {
  /** Recognises our errors across two installed copies of this package, where `instanceof` fails. */
  get library(): 'scrapenest-webhooks' {
    return 'scrapenest-webhooks'
  }
  abstract override readonly name: string
  /** Stable across releases. The reply to the sender carries this code and never the message. */
  abstract readonly code: WebhookErrorCode
}

/** Narrows any value to an error of this library, also one thrown by a second installed copy. Never throws. */
export function isWebhookError(value: unknown): value is AnyWebhookError {
  return codeOf(value) !== undefined
}

/** The code of an error of this library, or `undefined` for any other value. Never throws. */
export function codeOf(value: unknown): WebhookErrorCode | undefined {
  try {
    const { library, code } = value as Partial<AnyWebhookError>
    return library === 'scrapenest-webhooks' && typeof code === 'string' ? code : undefined
  } catch {
    // null, or a proxy or getter that throws on being looked at: no error of ours.
    return undefined
  }
}

/** An option is missing, malformed or contradicts another; the message says how to mend it. Thrown at start-up where possible. */
export class ConfigurationError extends WebhookError {
  override readonly name = 'ConfigurationError'
  readonly code = 'configuration_invalid'
}

/** The request was not a `POST`. */
export class MethodNotAllowedError extends WebhookError {
  override readonly name = 'MethodNotAllowedError'
  readonly code = 'method_not_allowed'
  constructor() {
    super('Expected a POST request.')
  }
}

/** The request came from an address outside `allowedSources`. */
export class SourceNotAllowedError extends WebhookError {
  override readonly name = 'SourceNotAllowedError'
  readonly code = 'source_not_allowed'
  constructor(address: string) {
    super(`The address ${address} is not in allowedSources. If it is your proxy's, let the host trust the proxy.`)
  }
}

/** The body is compressed. The signature covers the uncompressed bytes, and inflating for a stranger invites zip bombs. */
export class ContentEncodingUnsupportedError extends WebhookError {
  override readonly name = 'ContentEncodingUnsupportedError'
  readonly code = 'content_encoding_unsupported'
  constructor() {
    super('The body is compressed. If a proxy compresses requests, switch that off.')
  }
}

/** The body is longer than `maxBodyBytes`, as declared or as counted while reading. */
export class BodyTooLargeError extends WebhookError {
  override readonly name = 'BodyTooLargeError'
  readonly code = 'body_too_large'
  readonly maxBytes: number
  constructor(maxBytes: number) {
    super(`The body is longer than maxBodyBytes, which is ${maxBytes}.`)
    this.maxBytes = maxBytes
  }
}

/** The body had not arrived when `replyTimeoutMs` had passed. */
export class BodyTimeoutError extends WebhookError {
  override readonly name = 'BodyTimeoutError'
  readonly code = 'body_timeout'
  constructor(timeoutMs: number) {
    super(`The body did not arrive within ${timeoutMs} ms.`)
  }
}

/** The client went away, or the connection failed, before the body was complete. */
export class BodyAbortedError extends WebhookError {
  override readonly name = 'BodyAbortedError'
  readonly code = 'body_aborted'
  constructor(cause?: unknown) {
    super('The connection ended before the body was complete.', { cause })
  }
}

/**
 * The exact bytes are gone, because something parsed the body before us. Never re-serialised: `JSON.stringify` of a
 * parsed body gives other bytes than those that were signed. The message names the fix for the host at hand.
 */
export class RawBodyUnavailableError extends WebhookError {
  override readonly name = 'RawBodyUnavailableError'
  readonly code = 'raw_body_unavailable'
  constructor(fix: string) {
    super(`The raw bytes of the request are no longer available. ${fix}`)
  }
}

/** A header that every signed delivery carries is missing or empty, or the two header families are mixed. */
export class MissingHeaderError extends WebhookError {
  override readonly name = 'MissingHeaderError'
  readonly code = 'missing_header'
  readonly header: string
  constructor(header: string) {
    super(
      `The header ${header} is missing or empty. A delivery carries the three of svix-*, or the three of webhook-*.`,
    )
    this.header = header
  }
}

/** A header that may occur once came several times with different values. */
export class DuplicateHeaderError extends WebhookError {
  override readonly name = 'DuplicateHeaderError'
  readonly code = 'duplicate_header'
  readonly header: string
  constructor(header: string) {
    super(`The header ${header} came with different values.`)
    this.header = header
  }
}

/** The message id is not 1 to 256 visible ASCII characters without full stop and comma (Standard Webhooks, "Metadata"). */
export class MessageIdInvalidError extends WebhookError {
  override readonly name = 'MessageIdInvalidError'
  readonly code = 'message_id_invalid'
  constructor(header: string) {
    super(`The header ${header} is not 1 to 256 visible ASCII characters without "." and ",".`)
  }
}

/** The timestamp is not a plain decimal number of seconds. */
export class TimestampInvalidError extends WebhookError {
  override readonly name = 'TimestampInvalidError'
  readonly code = 'timestamp_invalid'
  constructor(header: string) {
    super(`The header ${header} is not Unix seconds in decimal digits.`)
  }
}

/** The timestamp is too far from this server's clock, in the past or in the future: a replay, or a clock that is off. */
export class TimestampOutsideToleranceError extends WebhookError {
  override readonly name = 'TimestampOutsideToleranceError'
  readonly code = 'timestamp_outside_tolerance'
  /** This server's time minus the delivery's, in seconds; negative when the delivery comes from the future. */
  readonly ageSeconds: number
  readonly toleranceSeconds: number
  constructor(ageSeconds: number, toleranceSeconds: number) {
    const direction = ageSeconds < 0 ? 'ahead of' : 'behind'
    const hint = ageSeconds < -1e11 ? ' Is it in milliseconds?' : ''
    super(
      `The timestamp is ${Math.abs(ageSeconds)} s ${direction} this server's clock; ${toleranceSeconds} s are allowed.${hint}`,
    )
    this.ageSeconds = ageSeconds
    this.toleranceSeconds = toleranceSeconds
  }
}

/** No signature of a form we can check: `v1,` followed by 44 characters of base64. */
export class NoSupportedSignatureError extends WebhookError {
  override readonly name = 'NoSupportedSignatureError'
  readonly code = 'no_supported_signature'
  constructor(header: string, hasAsymmetric: boolean) {
    super(
      `The header ${header} holds no well-formed v1 signature (HMAC-SHA256, base64).` +
        (hasAsymmetric ? ' Its v1a signatures (ed25519) are not supported.' : ''),
    )
  }
}

/** No signature matches: another secret, or other bytes than those that were signed. */
export class SignatureMismatchError extends WebhookError {
  override readonly name = 'SignatureMismatchError'
  readonly code = 'signature_mismatch'
  constructor() {
    super("No signature matches. Either the secret is another endpoint's, or a proxy or middleware changed the bytes.")
  }
}

/** The secret resolver knows no secret for this request. */
export class SecretNotFoundError extends WebhookError {
  override readonly name = 'SecretNotFoundError'
  readonly code = 'secret_not_found'
  constructor() {
    super('The secret function returned none for this request.')
  }
}

/** The secret resolver threw or did not answer in time. */
export class SecretUnavailableError extends WebhookError {
  override readonly name = 'SecretUnavailableError'
  readonly code = 'secret_unavailable'
  constructor(cause?: unknown) {
    super('The secret function failed or did not answer in time.', { cause })
  }
}

/** The bytes are authentic but not an event: not UTF-8, not a JSON object, or without an `event_type`. */
export class EnvelopeInvalidError extends WebhookError {
  override readonly name = 'EnvelopeInvalidError'
  readonly code = 'envelope_invalid'
  constructor(problem: string, cause?: unknown) {
    super(`The signature is valid, but the body is not an event: ${problem}.`, { cause })
  }
}

/** The event's `data` was refused by the schema given for its type. */
export class SchemaMismatchError extends WebhookError {
  override readonly name = 'SchemaMismatchError'
  readonly code = 'schema_mismatch'
  readonly #issues: readonly unknown[]
  constructor(eventType: string, issues: readonly unknown[], cause?: unknown) {
    super(`The data of a ${eventType} event does not fit its schema.`, { cause })
    this.#issues = issues
  }
  /**
   * What the schema found wrong, in the schema library's own form. Only shown where it is asked for: valibot's issues
   * quote the data, and a logger that prints every property would write the `download_url`.
   */
  get issues(): readonly unknown[] {
    return this.#issues
  }
}

/** Another delivery of the same event is being handled right now. */
export class EventInProgressError extends WebhookError {
  override readonly name = 'EventInProgressError'
  readonly code = 'event_in_progress'
  constructor() {
    super('The same event is still being handled.')
  }
}

/** A handler threw. Its own error is the `cause`; several failures are one `AggregateError`. */
export class HandlerFailedError extends WebhookError {
  override readonly name = 'HandlerFailedError'
  readonly code = 'handler_failed'
  constructor(cause: unknown) {
    super('A handler failed.', { cause })
  }
}

/** The handlers were not done when `replyTimeoutMs` had passed. They go on under their claim. */
export class HandlerTimeoutError extends WebhookError {
  override readonly name = 'HandlerTimeoutError'
  readonly code = 'handler_timeout'
  constructor(timeoutMs: number) {
    super(`The handlers were not done within ${timeoutMs} ms. Slow work belongs behind an inbox.`)
  }
}

/** The duplicate store could not be reached. */
export class StoreUnavailableError extends WebhookError {
  override readonly name = 'StoreUnavailableError'
  readonly code = 'store_unavailable'
  constructor(cause?: unknown) {
    super('The store failed or did not answer in time.', { cause })
  }
}

/** The receiver is closing or closed. */
export class ReceiverClosingError extends WebhookError {
  override readonly name = 'ReceiverClosingError'
  readonly code = 'receiver_closing'
  constructor() {
    super('This receiver is closing.')
  }
}

/**
 * Thrown by a handler when trying again is useless: the event is acknowledged as dropped (dead at once in an inbox),
 * and `onError` is told.
 */
export class PermanentError extends WebhookError {
  override readonly name = 'PermanentError'
  readonly code = 'permanent_failure'
}

/** Thrown by a handler to be tried again after a time of its choosing: 503 with `Retry-After`, or the inbox's next attempt. */
export class RetryLaterError extends WebhookError {
  override readonly name = 'RetryLaterError'
  readonly code = 'retry_later'
  readonly retryAfterSeconds: number
  /** @param options.retryAfterSeconds whole seconds from now, from 1 to 2147483647. Default 30. */
  constructor(message = 'The handler asked to be tried again later.', options: RetryLaterOptions = {}) {
    super(message, options)
    const { retryAfterSeconds = 30 } = options
    // Beyond 31 bits nobody's timer goes, and beyond 1e21 the number would be written with an exponent.
    const seconds = Math.min(2_147_483_647, Math.max(1, Math.ceil(retryAfterSeconds)))
    this.retryAfterSeconds = Number.isFinite(retryAfterSeconds) ? seconds : 30
  }
}

export interface RetryLaterOptions extends ErrorOptions {
  readonly retryAfterSeconds?: number
}

/** The closed union of all errors, discriminated by `code`. */
export type AnyWebhookError =
  | BodyAbortedError
  | BodyTimeoutError
  | BodyTooLargeError
  | ConfigurationError
  | ContentEncodingUnsupportedError
  | DuplicateHeaderError
  | EnvelopeInvalidError
  | EventInProgressError
  | HandlerFailedError
  | HandlerTimeoutError
  | MessageIdInvalidError
  | MethodNotAllowedError
  | MissingHeaderError
  | NoSupportedSignatureError
  | PermanentError
  | RawBodyUnavailableError
  | ReceiverClosingError
  | RetryLaterError
  | SchemaMismatchError
  | SecretNotFoundError
  | SecretUnavailableError
  | SignatureMismatchError
  | SourceNotAllowedError
  | StoreUnavailableError
  | TimestampInvalidError
  | TimestampOutsideToleranceError
