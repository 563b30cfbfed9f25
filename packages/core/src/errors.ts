/**
 * The closed list of codes, each with the status that answers it. Stable across releases.
 *
 * This is the reply table. ScrapeNest sends again whatever is not 2xx, for up to three days, and its own guide answers 400
 * to a stale timestamp and to a bad signature. `docs/errors/<code>.md` says for each code what happened and what to do.
 */
const statuses = {
  body_aborted: 400,
  body_timeout: 408,
  body_too_large: 413,
  configuration_invalid: 500,
  content_encoding_unsupported: 415,
  duplicate_header: 400,
  envelope_invalid: 400,
  event_in_progress: 409,
  handler_failed: 500,
  handler_timeout: 503,
  message_id_invalid: 400,
  method_not_allowed: 405,
  missing_header: 400,
  no_supported_signature: 400,
  permanent_failure: 202,
  raw_body_unavailable: 500,
  receiver_closing: 503,
  retry_later: 503,
  schema_mismatch: 500,
  secret_not_found: 400,
  secret_unavailable: 503,
  signature_mismatch: 400,
  source_not_allowed: 403,
  store_unavailable: 503,
  timestamp_invalid: 400,
  timestamp_outside_tolerance: 400,
} as const

export type WebhookErrorCode = keyof typeof statuses

/**
 * What this library throws. Four families, never mixed: a *delivery* was refused (the sender hears the code), a *handler*
 * failed (the sender is asked to come again), something this server *depends on* is out of reach, or the *configuration*
 * is wrong. The code tells which.
 */
export class WebhookError<Code extends WebhookErrorCode = WebhookErrorCode> extends Error {
  override readonly name: string = 'WebhookError'
  /** Stable across releases. The reply to the sender carries this code and never the message. */
  readonly code: Code

  /**
   * The message is what the code says in words, and after a colon what only this failure has to say. A subclass has words of
   * its own, and its detail is the whole message.
   *
   * @param options.cause what led to it
   */
  constructor(code: Code, detail?: string, options?: ErrorOptions) {
    const words = code[0]?.toUpperCase() + code.slice(1).replaceAll('_', ' ')
    super(detail === undefined ? `${words}.` : new.target === WebhookError ? `${words}: ${detail}` : detail, options)
    this.code = code
  }

  /** Recognises our errors across two installed copies of this package, where `instanceof` fails. */
  get library(): 'scrapenest-webhooks' {
    return 'scrapenest-webhooks'
  }
}

/** `configuration_invalid`: an option is missing, malformed or contradicts another; the message says how to mend it. Thrown at start-up where possible. */
export class ConfigurationError extends WebhookError<'configuration_invalid'> {
  override readonly name = 'ConfigurationError'
  constructor(message: string, options?: ErrorOptions) {
    super('configuration_invalid', message, options)
  }
}

/**
 * `permanent_failure`: thrown by a handler when trying again is useless. The event is acknowledged as dropped (dead at once
 * in an inbox), and `onError` is told.
 */
export class PermanentError extends WebhookError<'permanent_failure'> {
  override readonly name = 'PermanentError'
  constructor(message?: string, options?: ErrorOptions) {
    super('permanent_failure', message, options)
  }
}

/** `retry_later`: thrown by a handler to be tried again after a time of its choosing: 503 with `Retry-After`, or the inbox's next attempt. */
export class RetryLaterError extends WebhookError<'retry_later'> {
  override readonly name = 'RetryLaterError'
  readonly retryAfterSeconds: number

  /** @param options.retryAfterSeconds whole seconds from now, from 1 to 2147483647. Default 30. */
  constructor(message?: string, options: RetryLaterOptions = {}) {
    super('retry_later', message, options)
    this.retryAfterSeconds = retryAfterSecondsOf(options)
  }
}

export interface RetryLaterOptions extends ErrorOptions {
  readonly retryAfterSeconds?: number
}

/**
 * `schema_mismatch`, with what the schema found wrong in the schema library's own form. Only shown
 * where they are asked for: valibot's quote the data, and a logger that prints every property would write the `download_url`.
 */
export type SchemaMismatchError = WebhookError<'schema_mismatch'> & { readonly issues: readonly unknown[] }

/** The closed union of all errors, discriminated by `code`. */
export type AnyWebhookError =
  | RetryLaterError
  | SchemaMismatchError
  | WebhookError<Exclude<WebhookErrorCode, 'retry_later' | 'schema_mismatch'>>

/** An error of this code for whatever was thrown: itself where it has the code, else its cause. */
export function failureOf(code: WebhookErrorCode, cause: unknown): WebhookError {
  return codeOf(cause) === code ? (cause as WebhookError) : new WebhookError(code, undefined, { cause })
}

/** Narrows any value to an error of this library, also one thrown by a second installed copy. Never throws. */
export function isWebhookError(value: unknown): value is AnyWebhookError {
  return codeOf(value) !== undefined
}

/** The code of an error of this library, or `undefined` for any other value. Never throws. */
export function codeOf(value: unknown): WebhookErrorCode | undefined {
  try {
    const { library, code } = value as Partial<WebhookError>
    return library === 'scrapenest-webhooks' && typeof code === 'string' ? code : undefined
  } catch {
    // null, or a proxy or getter that throws on being looked at: no error of ours.
    return undefined
  }
}

/** By code; none for one that only a newer copy of this package knows. */
export const statusOf: ReadonlyMap<string | undefined, number> = new Map(Object.entries(statuses))

/**
 * How long a handler wants to wait: whole seconds, as many as a timer keeps; 30 where an error made by hand, or by another
 * copy, says anything else. Never throws.
 */
export function retryAfterSecondsOf(error: unknown): number {
  try {
    const { retryAfterSeconds } = error as Required<RetryLaterOptions>
    if (Number.isFinite(retryAfterSeconds)) return Math.min(2_147_483_647, Math.max(1, Math.ceil(retryAfterSeconds)))
  } catch {}
  return 30
}
