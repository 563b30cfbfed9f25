/** What is known of an API call that was answered with an error. */
export interface ErrorResponseFacts {
  /** Method and path: `POST /v1/jobs`. */
  readonly request: string
  readonly status: number
  /** How often the request was sent. */
  readonly attempts: number
  /** ScrapeNest's own code for the error. */
  readonly apiCode: string | undefined
  /** The id that ScrapeNest's support asks for. */
  readonly requestId: string | undefined
  /** Problems field by field. `validation_failed` has them. */
  readonly details: readonly Readonly<Record<string, unknown>>[]
  /** Seconds until the request may be sent again, if the API says so. */
  readonly retryAfterSeconds: number | undefined
  /** The first 8 KiB of the response. Not enumerable and never printed: a response may quote what was sent. */
  readonly body: string
}

type NoFacts = Readonly<Record<never, never>>

/** The closed list of codes, stable across releases, with the facts that an error of each code carries. */
export interface ScrapeNestErrorFacts {
  /** The host's address is private, loopback, link-local or reserved. */
  readonly address_not_allowed: { readonly address: string }
  /** The job has no such artifact, or several that cannot be told apart. */
  readonly artifact_not_found: NoFacts
  /** 401: the key is missing, wrong or revoked. */
  readonly authentication_failed: ErrorResponseFacts
  /** 409: the request does not fit the current state of what it changes. */
  readonly conflict: ErrorResponseFacts
  /** The server was not reached, its certificate was rejected, or the connection broke. */
  readonly connection_failed: {
    /** How often the request was sent. */
    readonly attempts: number
  }
  /** The artifact has a `content-encoding` that this client cannot undo. */
  readonly content_coding_unsupported: {
    /** The header, up to 100 characters of it. */
    readonly contentEncoding: string
  }
  /** The artifact is not what its `content-encoding` says, or is incomplete. `cause` is zlib's error. */
  readonly content_decoding_failed: { readonly contentEncoding: string }
  /** The storage returned an error that does not mean an expired URL. */
  readonly download_failed: {
    readonly status: number
    /** How often the download was requested. */
    readonly attempts: number
    /** Seconds until it may be requested again, if the storage says so. */
    readonly retryAfterSeconds: number | undefined
  }
  /** The artifact is longer than `maxBytes`, as declared or as counted. */
  readonly download_too_large: { readonly maxBytes: number }
  /** The storage refused the URL, and it could not be renewed or the renewed one was refused as well. */
  readonly download_url_expired: { readonly status: number }
  /** The file could not be written: for example a full disk, or no permission. */
  readonly file_write_failed: {
    readonly path: string
    /** The system's own code, for example `ENOSPC`. */
    readonly systemCode: string | undefined
  }
  /** The size or the SHA-256 differs from what was expected, or the stated hash is not a SHA-256. */
  readonly integrity_mismatch: NoFacts
  /** The job ended as `failed`. */
  readonly job_failed: { readonly jobId: string; readonly failureReason: string | undefined }
  /** The job did not end in time. It keeps running at ScrapeNest. */
  readonly job_timeout: { readonly jobId: string; readonly timeoutMs: number }
  /** 404: this organization has no such thing. */
  readonly not_found: ErrorResponseFacts
  /** 403: the key lacks the scope, or its IP allowlist lacks this machine's address. */
  readonly permission_denied: ErrorResponseFacts
  /** 429: over a limit of the key or the organization, after the retries too. */
  readonly rate_limited: ErrorResponseFacts
  /** 400: the request was malformed. */
  readonly request_invalid: ErrorResponseFacts
  /** No response within `timeoutMs`, or no further byte of a download. */
  readonly request_timeout: { readonly timeoutMs: number }
  /** A success whose body is not what the API documents. */
  readonly response_invalid: NoFacts
  /** 5xx, after the retries too. */
  readonly server_error: ErrorResponseFacts
  /** The download was redirected too often. */
  readonly too_many_redirects: NoFacts
  /** A status the API does not document, for example a redirect, which is never followed with the key. */
  readonly unexpected_status: ErrorResponseFacts
  /** The URL is malformed, is not https, or contains a user name or password. */
  readonly url_not_allowed: NoFacts
  /** 422: a field is wrong; `details` names it. */
  readonly validation_failed: ErrorResponseFacts
}

export type ScrapeNestErrorCode = keyof ScrapeNestErrorFacts

/** The codes of error responses of the API. */
export type ErrorResponseCode = {
  [Code in ScrapeNestErrorCode]: ScrapeNestErrorFacts[Code] extends ErrorResponseFacts ? Code : never
}[ScrapeNestErrorCode]

interface Row<Facts> {
  readonly facts: Readonly<Record<keyof Facts, true>>
  /** The status that this code stands for. */
  readonly status?: Facts extends ErrorResponseFacts ? number : never
  /** What to do. Added to every message of this code. */
  readonly advice?: string
}

const none = {}
const ofErrorResponse: Row<ErrorResponseFacts>['facts'] = {
  request: true,
  status: true,
  attempts: true,
  apiCode: true,
  requestId: true,
  details: true,
  retryAfterSeconds: true,
  body: true,
}

/**
 * What is the same for every error of a code. To add a code, add it to ScrapeNestErrorFacts, to this table and to the
 * README. The compiler checks this table, a test the README.
 */
const table: { readonly [Code in ScrapeNestErrorCode]: Row<ScrapeNestErrorFacts[Code]> } = {
  address_not_allowed: {
    facts: { address: true },
    advice: 'If that is intended, as with a simulator on this machine, set allowPrivateAddresses.',
  },
  artifact_not_found: { facts: none },
  authentication_failed: {
    facts: ofErrorResponse,
    status: 401,
    advice: 'Check the API key, and that it belongs to this base URL.',
  },
  conflict: { facts: ofErrorResponse, status: 409 },
  connection_failed: { facts: { attempts: true } },
  content_coding_unsupported: {
    facts: { contentEncoding: true },
    advice: 'Only gzip, br and deflate can be decoded.',
  },
  content_decoding_failed: { facts: { contentEncoding: true } },
  download_failed: { facts: { status: true, attempts: true, retryAfterSeconds: true } },
  download_too_large: { facts: { maxBytes: true }, advice: 'If that is expected, raise maxBytes.' },
  download_url_expired: { facts: { status: true } },
  file_write_failed: { facts: { path: true, systemCode: true }, advice: 'No partial file is left under this name.' },
  integrity_mismatch: { facts: none },
  job_failed: { facts: { jobId: true, failureReason: true } },
  job_timeout: {
    facts: { jobId: true, timeoutMs: true },
    advice: 'It keeps running: call jobs.wait again, or wait for its webhook.',
  },
  not_found: { facts: ofErrorResponse, status: 404 },
  permission_denied: {
    facts: ofErrorResponse,
    status: 403,
    advice: 'Check the scopes of the API key, and its IP allowlist.',
  },
  rate_limited: { facts: ofErrorResponse, status: 429 },
  request_invalid: { facts: ofErrorResponse, status: 400 },
  request_timeout: { facts: { timeoutMs: true } },
  response_invalid: { facts: none, advice: 'Check baseUrl.' },
  server_error: { facts: ofErrorResponse },
  too_many_redirects: { facts: none },
  unexpected_status: { facts: ofErrorResponse, advice: 'Check baseUrl.' },
  url_not_allowed: { facts: none },
  validation_failed: { facts: ofErrorResponse, status: 422 },
}

/** The code of an error response, as the API documents them. */
export function codeOfStatus(status: number): ErrorResponseCode {
  for (const [code, row] of Object.entries(table)) {
    // The type of a row allows a status for these codes only.
    if (row.status === status) return code as ErrorResponseCode
  }
  return status >= 500 ? 'server_error' : 'unexpected_status'
}

/** A code, a message, and the facts of the code. */
export type ScrapeNestErrorOptions = {
  [Code in ScrapeNestErrorCode]: ErrorOptions & {
    readonly code: Code
    /** What happened. The advice of the code follows. */
    readonly message: string
  } & ScrapeNestErrorFacts[Code]
}[ScrapeNestErrorCode]

/**
 * What this client throws. `isScrapeNestError` narrows to it, and then `code` to the facts of the code. A wrong option is
 * core's `configuration_invalid`, and an aborted call rejects with its signal's own reason.
 *
 * No message and no printed error contains the API key or a `download_url`, which is a credential too.
 */
export class ScrapeNestError extends Error {
  readonly code: ScrapeNestErrorCode

  constructor(options: ScrapeNestErrorOptions) {
    const { code, message, cause, ...facts } = options
    const { advice } = table[code]
    super(advice === undefined ? message : `${message} ${advice}`, cause === undefined ? undefined : { cause })
    this.code = code
    // Only some codes have a body.
    const { body, ...printed } = facts as Partial<ErrorResponseFacts>
    Object.assign(this, printed)
    // A getter, because inspect prints values that are not enumerable when asked for hidden ones.
    if (body !== undefined) Object.defineProperty(this, 'body', { get: () => body })
  }

  // On the prototype, so that the stack begins with it.
  override get name(): 'ScrapeNestError' {
    return 'ScrapeNestError'
  }

  /** Recognizes errors of another installed copy of this package, where `instanceof` fails. */
  get library(): 'scrapenest-client' {
    return 'scrapenest-client'
  }
}

/** Every error of this client, discriminated by `code`. */
export type AnyScrapeNestError = {
  [Code in ScrapeNestErrorCode]: ScrapeNestError & { readonly code: Code } & ScrapeNestErrorFacts[Code]
}[ScrapeNestErrorCode]

/**
 * Narrows any value to an error of this client, thrown by this copy or another. An object that lacks the facts of its
 * code is not one. Never throws.
 *
 * @example
 * if (isScrapeNestError(error) && error.code === 'rate_limited') wait(error.retryAfterSeconds)
 */
export function isScrapeNestError(value: unknown): value is AnyScrapeNestError {
  try {
    const { library, code, message } = value as Partial<ScrapeNestError>
    if (library !== 'scrapenest-client' || typeof message !== 'string' || !isCode(code)) return false
    return Object.keys(table[code].facts).every((name) => name in (value as object))
  } catch {
    // null, or a proxy or getter that throws.
    return false
  }
}

function isCode(value: unknown): value is ScrapeNestErrorCode {
  return typeof value === 'string' && Object.hasOwn(table, value)
}
