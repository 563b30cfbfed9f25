/** The status in the body of a 202. */
export type Acknowledgement = 'accepted' | 'duplicate' | 'dropped'

/**
 * How an outcome is reported, apart from the reply. `error`: logged as an error, and `onError` is called. `warning`:
 * logged as a warning, because anyone on the internet can trigger it. `none`: expected, or already reported at its source.
 */
type ReportLevel = 'error' | 'warning' | 'none'

interface CodeRow {
  readonly report: ReportLevel
  /** The first part of the error's message; a detail may follow. For operators only: replies never carry it. */
  readonly message: string
  /** The code in the reply, if the sender must not learn the real one. */
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
 * The reply table: every code with its status, report level and message. Codes and statuses are stable across releases.
 *
 * ScrapeNest retries anything but a 2xx for up to three days. Its guide rejects a stale timestamp and a bad signature
 * with 400 (docs.scrapenest.com/webhooks/verifying-signatures).
 *
 * To add a code, add a row here and a page `docs/errors/<code>.md`. The compiler checks the row, a test checks the
 * page. Add a new status to the type above. The reply follows from the fields of the row.
 */
const table = {
  body_aborted: {
    status: 400,
    report: 'warning',
    message: 'The connection closed before the body was complete.',
  },
  body_timeout: { status: 408, report: 'warning', message: 'The body did not arrive in time.' },
  body_too_large: { status: 413, report: 'warning', message: 'The body exceeds maxBodyBytes.' },
  configuration_invalid: { status: 500, report: 'error', message: 'The configuration is invalid.' },
  content_encoding_unsupported: {
    status: 415,
    report: 'warning',
    message: 'The body is compressed. Signatures cover the uncompressed bytes, so send it uncompressed.',
  },
  content_type_unsupported: {
    status: 415,
    report: 'warning',
    message: 'The raw body is no longer available, and the content type is not JSON. ScrapeNest always sends JSON.',
  },
  duplicate_header: {
    status: 400,
    report: 'warning',
    message: 'A header that must be unique was sent more than once.',
  },
  envelope_invalid: { status: 400, report: 'warning', message: 'The signature matches, but the body is not an event.' },
  // ScrapeNest waits 10 s for a reply, so by then the other delivery has been answered.
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
      'The handlers did not finish within replyTimeoutMs. Their signal is aborted. If they still succeed, the retry is answered as a duplicate.',
  },
  message_id_invalid: {
    status: 400,
    report: 'warning',
    message: 'The message id must be 1 to 256 visible ASCII characters, without periods or commas.',
  },
  method_not_allowed: { status: 405, allow: 'POST', report: 'warning', message: 'Deliveries must be POST requests.' },
  missing_header: { status: 400, report: 'warning', message: 'A signed header is missing or empty.' },
  no_supported_signature: {
    status: 400,
    report: 'warning',
    message: 'Only v1 (HMAC-SHA256) signatures are supported, and none was found.',
  },
  permanent_failure: {
    status: 202,
    acknowledgement: 'dropped',
    report: 'none',
    message: 'A handler gave up on this event.',
  },
  raw_body_unavailable: { status: 500, report: 'error', message: 'The raw body is no longer available.' },
  receiver_closing: { status: 503, retryAfterSeconds: 30, report: 'none', message: 'The receiver is closing.' },
  retry_later: { status: 503, retryAfterSeconds: 30, report: 'none', message: 'A handler asked for a later retry.' },
  schema_mismatch: { status: 500, report: 'none', message: 'The schema for this event type rejected the data.' },
  secret_not_found: {
    status: 400,
    answeredAs: 'signature_mismatch',
    report: 'warning',
    message: 'The secret function returned no secret for this request. The sender gets signature_mismatch.',
  },
  secret_unavailable: {
    status: 503,
    retryAfterSeconds: 30,
    report: 'error',
    message: 'The secret function failed or timed out.',
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
    message: 'The store failed or timed out.',
  },
  timestamp_invalid: { status: 400, report: 'warning', message: 'The timestamp must be Unix time in whole seconds.' },
  timestamp_outside_tolerance: {
    status: 400,
    report: 'warning',
    message: "The timestamp is too far from this server's clock.",
  },
} as const

/** The closed list of codes that replies and errors carry. `docs/errors` has a page for each. */
export type WebhookErrorCode = keyof typeof table

/** Codes that go to the log and `onError` but never into a reply, because no delivery is waiting. */
const reportOnly = { event_dead: true, event_unreadable: true, hook_failed: true, lease_ended: true } as const

/** The closed list of codes that reports carry: those of errors, and those without a reply. */
export type ReportCode = WebhookErrorCode | keyof typeof reportOnly

const rows: Readonly<Record<WebhookErrorCode, Row>> = table

/** The row of a code. */
export function rowOf(code: WebhookErrorCode): Row {
  return rows[code]
}

/** Codes whose errors have additional fields, which only their own classes can set. */
type ClassifiedCode = 'retry_later' | 'schema_mismatch'
/** Codes that a plain WebhookError can carry. */
export type PlainErrorCode = Exclude<WebhookErrorCode, ClassifiedCode>

/** The base URL of the documentation. A placeholder until the repository exists; a test compares it with each package.json. */
const documentation = 'https://github.com/scrapenest-webhooks/scrapenest-webhooks/blob/main/docs'

/** The URL of a documentation page. @param path relative to `docs`, for example `guides/rotation.md`. */
export function pageUrl(path: string): string {
  return `${documentation}/${path}`
}

/** Appends the URL of the page that explains the code. */
export function withPage(text: string, code: ReportCode): string {
  return `${text} ${pageUrl(`errors/${code}.md`)}`
}

/** Facts about a refusal. Each is present only for the codes listed with it. */
export interface WebhookErrorFacts {
  /** `missing_header`, `duplicate_header`: the name of the header. */
  readonly header?: string | undefined
  /** `timestamp_outside_tolerance`: how far the timestamp is behind this server's clock, in seconds. Negative if ahead. */
  readonly ageSeconds?: number | undefined
  /** `timestamp_outside_tolerance`: the configured tolerance, in seconds. */
  readonly toleranceSeconds?: number | undefined
  /** `body_too_large`: the configured limit, in bytes. */
  readonly maxBytes?: number | undefined
}

/**
 * The error this library throws. Its code belongs to one of four families: a *delivery* was refused, a *handler* failed,
 * a *dependency* of this server is unavailable, or the *configuration* is invalid. `docs/errors` has a page per code.
 *
 * @typeParam Code the codes it can carry. `retry_later` and `schema_mismatch` have their own classes.
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
   * The message ends with the URL of the code's page, unless the author of a handler wrote the message.
   *
   * @param code determines the status and the first part of the message.
   * @param detail appended to the code's message; subclasses pass the whole message. For operators only.
   * @param options `cause`, and the facts of this failure.
   * @throws {TypeError} the code does not exist, or only its own class can carry it.
   */
  constructor(code: Code & PlainErrorCode, detail?: string, options: ErrorOptions & WebhookErrorFacts = {}) {
    const { cause, header, ageSeconds, toleranceSeconds, maxBytes } = options
    const isPlain = new.target === WebhookError
    if (!isCode(code)) throw new TypeError(`Expected an error code of scrapenest-webhooks, got ${String(code)}.`)
    if (isPlain && Object.hasOwn(classOf, code)) {
      throw new TypeError(
        `Only ${classOf[code as ClassifiedCode]} can carry ${code}. Throw it instead of a WebhookError.`,
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

  /** Identifies errors across installed copies of this package, where `instanceof` fails. */
  get library(): 'scrapenest-webhooks' {
    return 'scrapenest-webhooks'
  }
}

/** Codes that handlers throw. These errors keep their author's message. */
const thrownByHandlers: Readonly<Partial<Record<WebhookErrorCode, true>>> = {
  permanent_failure: true,
  retry_later: true,
}

const classOf: Readonly<Record<ClassifiedCode, string>> = {
  retry_later: 'RetryLaterError',
  schema_mismatch: 'SchemaMismatchError',
}

/**
 * `configuration_invalid`: an option is missing, malformed or unknown, or contradicts another. Thrown at startup if
 * possible.
 */
export class ConfigurationError extends WebhookError<'configuration_invalid'> {
  override readonly name = 'ConfigurationError'

  /** @param message what was expected, what was found, and the fix. */
  constructor(message: string, options?: ErrorOptions) {
    super('configuration_invalid', message, options)
  }
}

/**
 * `permanent_failure`: throw it from a handler when retrying is useless. Without an inbox, the event is acknowledged as
 * `dropped`. With one, the event is dead immediately. `onError` is called either way.
 */
export class PermanentError extends WebhookError<'permanent_failure'> {
  override readonly name = 'PermanentError'

  /** @param message for operators only. Default: the message of the code. */
  constructor(message?: string, options?: ErrorOptions) {
    super('permanent_failure', message, options)
  }
}

/** The options of a `RetryLaterError`. */
export interface RetryLaterOptions extends ErrorOptions {
  /**
   * Seconds until the next attempt: 1 to 2147483647, rounded up.
   * @default 30
   */
  readonly retryAfterSeconds?: number
}

/**
 * `retry_later`: throw it from a handler to choose when the event is retried. Without an inbox, the reply is 503 with
 * `Retry-After`. With one, it sets the time of the next attempt. `onError` is not called.
 */
export class RetryLaterError extends WebhookError<'retry_later'> {
  override readonly name = 'RetryLaterError'
  readonly retryAfterSeconds: number

  /** @param message for operators only. Default: the message of the code. */
  constructor(message?: string, options: RetryLaterOptions = {}) {
    const { retryAfterSeconds, ...rest } = options
    // `as never`: the parameter excludes this code, so that only this class can carry it.
    super('retry_later' as never, message, rest)
    this.retryAfterSeconds = wholeDelay(retryAfterSeconds)
  }
}

/** `schema_mismatch`: the schema for an event type rejected the `data`, or threw. */
export class SchemaMismatchError extends WebhookError<'schema_mismatch'> {
  override readonly name = 'SchemaMismatchError'
  // Private, so that loggers that print every property do not print it: some schema libraries quote the data, which may
  // contain a `download_url`.
  readonly #issues: readonly unknown[]

  constructor(eventType: string, issues: readonly unknown[], options?: ErrorOptions) {
    // `as never`: as in RetryLaterError.
    super('schema_mismatch' as never, `The schema for ${eventType} rejected the data.`, options)
    this.#issues = issues
  }

  /** The issues, in the schema library's format. They may quote the data. Empty if the schema threw. */
  get issues(): readonly unknown[] {
    return this.#issues
  }
}

/** Every error of this library, discriminated by `code`. */
export type AnyWebhookError =
  | RetryLaterError
  | SchemaMismatchError
  | { [Code in PlainErrorCode]: WebhookError<Code> }[PlainErrorCode]

/** Narrows any value to an error of this library, from this installed copy or another. Never throws. */
export function isWebhookError(value: unknown): value is AnyWebhookError {
  return codeOf(value) !== undefined
}

/**
 * The code of an error of this library, or `undefined` for any other value, including a look-alike without the fields
 * that its code requires. Never throws.
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

/** The code under which to report an error, or `undefined` for any other value. Never throws. */
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

/** Returns the error if it has this code, otherwise wraps it: a new error with this code and the original as `cause`. */
export function asWebhookError(code: PlainErrorCode, error: unknown): WebhookError {
  return codeOf(error) === code ? (error as WebhookError) : new WebhookError(code, undefined, { cause: error })
}

/** The message of anything thrown, from any realm, or its text if it has none. Never throws. */
export function messageOf(thrown: unknown): string {
  try {
    const message = (thrown as { readonly message?: unknown } | null | undefined)?.message
    return typeof message === 'string' ? message : String(thrown)
  } catch {
    // A proxy or getter that throws, or an object that cannot be converted to text.
    return 'a value that cannot be shown as text'
  }
}

/** The delay an error asks for, in seconds, or the default if it names none. Never throws. */
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

/** Rounds up to whole seconds that a timer can hold. Returns the default for anything but a finite number. */
function wholeDelay(seconds: unknown): number {
  if (!Number.isFinite(seconds)) return table.retry_later.retryAfterSeconds
  return Math.min(2_147_483_647, Math.max(1, Math.ceil(seconds as number)))
}
