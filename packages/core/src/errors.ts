/** What a 202 tells the sender. */
export type Acknowledgement = 'accepted' | 'duplicate' | 'dropped'

/**
 * How an outcome is reported besides the reply. `error`: logged as an error, and `onError` is called. `warning`: logged
 * as a warning, because anyone on the internet can trigger it. `none`: expected, or already reported where it happened.
 */
type ReportLevel = 'error' | 'warning' | 'none'

interface CodeRow {
  readonly report: ReportLevel
  /** The first sentence of the error's message. A detail may follow. For the operator only: replies never carry it. */
  readonly message: string
  /** The code in the reply, where the sender must not learn the real one. */
  readonly answeredAs?: 'signature_mismatch'
}

type Row = CodeRow &
  (
    | { readonly status: 202; readonly acknowledgement: Acknowledgement }
    | { readonly status: 400 | 403 | 408 | 413 | 415 | 500 }
    | { readonly status: 405; readonly allow: string }
    | { readonly status: 409 | 503; readonly retryAfterSeconds: number }
  )

/**
 * The reply table: the closed list of codes, with the status, the report and the message of each. Stable across
 * releases.
 *
 * ScrapeNest retries everything that is not 2xx for up to three days; its own guide answers 400 to a stale timestamp
 * and to a bad signature (docs.scrapenest.com/webhooks/verifying-signatures).
 *
 * To add a code, add a row here and a page `docs/errors/<code>.md`. The compiler checks the row, a test checks the
 * page. A status that no row has yet goes into the type above; the reply follows from the row's fields.
 */
const table = {
  body_aborted: {
    status: 400,
    report: 'warning',
    message: 'The connection closed before the body was complete.',
  },
  body_timeout: { status: 408, report: 'warning', message: 'The body did not arrive in time.' },
  body_too_large: { status: 413, report: 'warning', message: 'The body is longer than maxBodyBytes.' },
  configuration_invalid: { status: 500, report: 'error', message: 'The configuration is invalid.' },
  content_encoding_unsupported: {
    status: 415,
    report: 'warning',
    message: 'The body is compressed. Signatures cover the bytes before compression, so it must be sent as it is.',
  },
  content_type_unsupported: {
    status: 415,
    report: 'warning',
    message: 'The raw body is no longer available, and its media type is not JSON, which ScrapeNest always sends.',
  },
  duplicate_header: {
    status: 400,
    report: 'warning',
    message: 'A header that must be unique was sent more than once.',
  },
  envelope_invalid: { status: 400, report: 'warning', message: 'The signature matches, but the body is not an event.' },
  // 10 s is how long ScrapeNest waits for a reply: by then the other delivery has been answered.
  event_in_progress: {
    status: 409,
    retryAfterSeconds: 10,
    report: 'none',
    message: 'Another delivery of this event is being handled.',
  },
  handler_failed: { status: 500, report: 'none', message: 'A handler failed.' },
  handler_timeout: {
    status: 503,
    retryAfterSeconds: 30,
    report: 'error',
    message:
      'The handlers did not finish within replyTimeoutMs. Their signal is aborted; if they succeed, the retry is a duplicate.',
  },
  message_id_invalid: {
    status: 400,
    report: 'warning',
    message: 'The message id must be 1 to 256 visible ASCII characters without a full stop or a comma.',
  },
  method_not_allowed: { status: 405, allow: 'POST', report: 'warning', message: 'Deliveries are POST requests.' },
  missing_header: { status: 400, report: 'warning', message: 'A signed header is missing or empty.' },
  no_supported_signature: {
    status: 400,
    report: 'warning',
    message: 'Only v1 (HMAC-SHA256) signatures are supported, and none is present.',
  },
  permanent_failure: {
    status: 202,
    acknowledgement: 'dropped',
    report: 'none',
    message: 'A handler gave up on this event.',
  },
  raw_body_unavailable: { status: 500, report: 'error', message: 'The raw body is no longer available.' },
  receiver_closing: { status: 503, retryAfterSeconds: 30, report: 'none', message: 'The receiver is closing.' },
  retry_later: { status: 503, retryAfterSeconds: 30, report: 'none', message: 'A handler asked to be retried later.' },
  schema_mismatch: { status: 500, report: 'none', message: 'The schema of this event type rejected its data.' },
  secret_not_found: {
    status: 400,
    answeredAs: 'signature_mismatch',
    report: 'warning',
    message: 'The secret function returned no secret for this request. The sender is answered signature_mismatch.',
  },
  secret_unavailable: {
    status: 503,
    retryAfterSeconds: 30,
    report: 'error',
    message: 'The secret function failed, or did not answer in time.',
  },
  signature_mismatch: {
    status: 400,
    report: 'warning',
    message: 'No secret matched: the secret belongs to another endpoint, or the body was modified in transit.',
  },
  source_not_allowed: { status: 403, report: 'warning', message: 'The client address is not in allowedSources.' },
  store_unavailable: {
    status: 503,
    retryAfterSeconds: 30,
    report: 'error',
    message: 'The store failed, or did not answer in time.',
  },
  timestamp_invalid: { status: 400, report: 'warning', message: 'The timestamp must be Unix time in whole seconds.' },
  timestamp_outside_tolerance: {
    status: 400,
    report: 'warning',
    message: 'The timestamp is too far from the clock of this server.',
  },
} as const

export type WebhookErrorCode = keyof typeof table

/** Codes that are reported to the log and `onError`, and never answered: no delivery is waiting. */
const reportOnly = { event_dead: true, event_unreadable: true, hook_failed: true, lease_ended: true } as const

/** The closed list of codes that reports carry. `docs/errors` has a page for each. */
export type ReportCode = WebhookErrorCode | keyof typeof reportOnly

const rows: Readonly<Record<WebhookErrorCode, Row>> = table

/** The row of a code. */
export function rowOf(code: WebhookErrorCode): Row {
  return rows[code]
}

/** Codes whose errors carry fields of their own, which only their classes can fill. */
type ClassifiedCode = 'retry_later' | 'schema_mismatch'
/** Codes that a WebhookError itself may carry. */
export type PlainErrorCode = Exclude<WebhookErrorCode, ClassifiedCode>

/** Where the documentation is. A placeholder until the repository exists; a test compares it with each package.json. */
const documentation = 'https://github.com/scrapenest-webhooks/scrapenest-webhooks/blob/main/docs'

/** The URL of a page of the documentation. @param path below `docs`, for example `guides/rotation.md`. */
export function pageUrl(path: string): string {
  return `${documentation}/${path}`
}

/** The text of an error, with the URL of the page that explains its code. */
export function withPage(text: string, code: ReportCode): string {
  return `${text} ${pageUrl(`errors/${code}.md`)}`
}

/** Facts of a refusal, each present on the codes that name it. */
export interface WebhookErrorFacts {
  /** `missing_header`, `duplicate_header`: the name of the header. */
  readonly header?: string | undefined
  /** `timestamp_outside_tolerance`: how far behind this server's clock it is, in seconds; negative when ahead. */
  readonly ageSeconds?: number | undefined
  /** `timestamp_outside_tolerance`: the tolerance in force, in seconds. */
  readonly toleranceSeconds?: number | undefined
  /** `body_too_large`: the limit in force, in bytes. */
  readonly maxBytes?: number | undefined
}

/**
 * What this library throws. The code is one of four families: a *delivery* was refused, a *handler* failed, something
 * this server *depends on* is unavailable, or the *configuration* is invalid. `docs/errors` has a page for each code.
 *
 * @typeParam Code the codes it may carry. `retry_later` and `schema_mismatch` need their own classes.
 */
export class WebhookError<Code extends WebhookErrorCode = WebhookErrorCode> extends Error implements WebhookErrorFacts {
  override readonly name: string = 'WebhookError'
  /** Stable across releases. Replies carry this code and never the message. */
  readonly code: Code
  declare readonly header?: string
  declare readonly ageSeconds?: number
  declare readonly toleranceSeconds?: number
  declare readonly maxBytes?: number

  /**
   * The message ends with the URL of the code's page, unless a handler's author wrote it.
   *
   * @param detail a sentence to add to that of the code. A subclass passes its whole message. For the operator only.
   * @param options `cause`, and the facts of this failure.
   * @throws {TypeError} for a code that does not exist, or that only a class of its own may carry.
   */
  constructor(code: Code & PlainErrorCode, detail?: string, options: ErrorOptions & WebhookErrorFacts = {}) {
    const { cause, header, ageSeconds, toleranceSeconds, maxBytes } = options
    const isPlain = new.target === WebhookError
    if (!isCode(code)) throw new TypeError(`Expected a code of scrapenest-webhooks, got ${String(code)}.`)
    if (isPlain && Object.hasOwn(classOf, code)) {
      throw new TypeError(
        `Only ${classOf[code as ClassifiedCode]} may carry ${code}: throw that instead of a WebhookError.`,
      )
    }
    const { message } = table[code]
    const text = isPlain && detail !== undefined ? `${message} ${detail}` : (detail ?? message)
    const isFromHandler = detail !== undefined && Object.hasOwn(thrownByHandlers, code)
    super(isFromHandler ? text : withPage(text, code), cause === undefined ? undefined : { cause })
    this.code = code
    if (header !== undefined) this.header = header
    if (ageSeconds !== undefined) this.ageSeconds = ageSeconds
    if (toleranceSeconds !== undefined) this.toleranceSeconds = toleranceSeconds
    if (maxBytes !== undefined) this.maxBytes = maxBytes
  }

  /** Recognizes errors of another installed copy of this package, where `instanceof` fails. */
  get library(): 'scrapenest-webhooks' {
    return 'scrapenest-webhooks'
  }
}

/** What handlers throw keeps the message that its author wrote. */
const thrownByHandlers: Readonly<Partial<Record<WebhookErrorCode, true>>> = {
  permanent_failure: true,
  retry_later: true,
}

const classOf: Readonly<Record<ClassifiedCode, string>> = {
  retry_later: 'RetryLaterError',
  schema_mismatch: 'SchemaMismatchError',
}

/**
 * `configuration_invalid`: an option is missing, malformed or contradicts another. Thrown at start-up where possible.
 */
export class ConfigurationError extends WebhookError<'configuration_invalid'> {
  override readonly name = 'ConfigurationError'

  /** @param message what was expected, what was found, and the fix. */
  constructor(message: string, options?: ErrorOptions) {
    super('configuration_invalid', message, options)
  }
}

/**
 * `permanent_failure`: thrown by a handler when retrying is useless. Without an inbox the event is acknowledged as
 * `dropped`, in an inbox it is dead at once. `onError` is called either way.
 */
export class PermanentError extends WebhookError<'permanent_failure'> {
  override readonly name = 'PermanentError'

  constructor(message?: string, options?: ErrorOptions) {
    super('permanent_failure', message, options)
  }
}

export interface RetryLaterOptions extends ErrorOptions {
  /** Seconds until the next attempt: 1 to 2147483647, rounded up. @default 30 */
  readonly retryAfterSeconds?: number
}

/**
 * `retry_later`: thrown by a handler to be retried after a delay of its choice: a 503 with `Retry-After`, or the next
 * attempt of an inbox.
 */
export class RetryLaterError extends WebhookError<'retry_later'> {
  override readonly name = 'RetryLaterError'
  readonly retryAfterSeconds: number

  constructor(message?: string, options: RetryLaterOptions = {}) {
    const { retryAfterSeconds, ...rest } = options
    // `as never`: the parameter excludes this code, so that only this class can carry it.
    super('retry_later' as never, message, rest)
    this.retryAfterSeconds = wholeDelay(retryAfterSeconds)
  }
}

/** `schema_mismatch`: the schema of an event type rejected its `data`. */
export class SchemaMismatchError extends WebhookError<'schema_mismatch'> {
  override readonly name = 'SchemaMismatchError'
  // Private: some libraries quote the data, which may hold a `download_url`, and a logger that prints every property would
  // write it.
  readonly #issues: readonly unknown[]

  constructor(eventType: string, issues: readonly unknown[], options?: ErrorOptions) {
    // `as never`: as in RetryLaterError.
    super('schema_mismatch' as never, `The schema of ${eventType} rejected its data.`, options)
    this.#issues = issues
  }

  /** The issues in the schema library's own form. They may quote the data. */
  get issues(): readonly unknown[] {
    return this.#issues
  }
}

/** Every error of this library, discriminated by `code`. */
export type AnyWebhookError =
  | RetryLaterError
  | SchemaMismatchError
  | { [Code in PlainErrorCode]: WebhookError<Code> }[PlainErrorCode]

/** Narrows any value to an error of this library, thrown by this copy or another. Never throws. */
export function isWebhookError(value: unknown): value is AnyWebhookError {
  return codeOf(value) !== undefined
}

/**
 * The code of an error of this library, or `undefined` for any other value. An error made by hand that lacks the fields
 * of its code is not one. Never throws.
 */
export function codeOf(value: unknown): WebhookErrorCode | undefined {
  try {
    const { library, code, retryAfterSeconds, issues } = value as Partial<RetryLaterError & SchemaMismatchError>
    if (library !== 'scrapenest-webhooks' || !isCode(code)) return undefined
    if (code === 'retry_later' && retryAfterSeconds !== wholeDelay(retryAfterSeconds)) return undefined
    if (code === 'schema_mismatch' && !Array.isArray(issues)) return undefined
    return code
  } catch {
    // null, or a proxy or getter that throws.
    return undefined
  }
}

/** The code to report an error with; `undefined` if it is not an error of this library. Never throws. */
export function reportCodeOf(value: unknown): ReportCode | undefined {
  const answered = codeOf(value)
  if (answered !== undefined) return answered
  try {
    const { library, code } = value as { readonly library?: unknown; readonly code?: unknown }
    return library === 'scrapenest-webhooks' && isReportOnly(code) ? code : undefined
  } catch {
    return undefined
  }
}

function isReportOnly(code: unknown): code is keyof typeof reportOnly {
  return typeof code === 'string' && Object.hasOwn(reportOnly, code)
}

/** The error itself if it has this code, otherwise an error of this code with it as the cause. */
export function asWebhookError(code: PlainErrorCode, error: unknown): WebhookError {
  return codeOf(error) === code ? (error as WebhookError) : new WebhookError(code, undefined, { cause: error })
}

/** The message of whatever was thrown, in any realm; of a value without one, its text. Never throws. */
export function messageOf(thrown: unknown): string {
  try {
    const message = (thrown as { readonly message?: unknown } | null | undefined)?.message
    return typeof message === 'string' ? message : String(thrown)
  } catch {
    // A proxy or getter that throws, or an object that has no text.
    return 'a value that cannot be shown as text'
  }
}

/** How long an error asks the sender or the inbox to wait; the default where it does not say. Never throws. */
export function retryAfterSecondsOf(error: unknown): number {
  try {
    return wholeDelay((error as Partial<RetryLaterError>).retryAfterSeconds)
  } catch {
    return wholeDelay(undefined)
  }
}

function isCode(value: unknown): value is WebhookErrorCode {
  return typeof value === 'string' && Object.hasOwn(table, value)
}

/** Whole seconds within what a timer can hold; the default for anything but a finite number. */
function wholeDelay(seconds: unknown): number {
  if (!Number.isFinite(seconds)) return table.retry_later.retryAfterSeconds
  return Math.min(2_147_483_647, Math.max(1, Math.ceil(seconds as number)))
}
