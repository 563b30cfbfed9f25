/** The properties of an API error response. */
export interface ErrorResponseFacts {
  /** Method and path: `POST /v1/jobs`. */
  readonly request: string
  readonly status: number
  /** How often the request was sent. */
  readonly attempts: number
  /** ScrapeNest's own error code. */
  readonly apiCode: string | undefined
  /** The id to quote to ScrapeNest's support. */
  readonly requestId: string | undefined
  /** Problems by field, for `validation_failed`. */
  readonly details: readonly Readonly<Record<string, unknown>>[]
  /** Seconds until the request may be sent again, if the API states it. */
  readonly retryAfterSeconds: number | undefined
  /** The first 8 KiB of the response. Not enumerable and never printed, because a response may quote the request. */
  readonly body: string
}

type NoFacts = Readonly<Record<never, never>>

/** The closed list of codes, stable across releases, with the properties of each. */
export interface ScrapeNestErrorFacts {
  /** The host's address is private, loopback, link-local or reserved. */
  readonly address_not_allowed: { readonly address: string }
  /** The job has no such artifact, or several that cannot be told apart. */
  readonly artifact_not_found: NoFacts
  /** 401: the key is missing, wrong or revoked. */
  readonly authentication_failed: ErrorResponseFacts
  /** 409: the request conflicts with the current state of its target. */
  readonly conflict: ErrorResponseFacts
  /** The server was not reached, its certificate was rejected, or the connection broke. */
  readonly connection_failed: {
    /** How often the request was sent. */
    readonly attempts: number
  }
  /** This client cannot decode the artifact's `content-encoding`. */
  readonly content_coding_unsupported: {
    /** The header, limited to 100 characters. */
    readonly contentEncoding: string
  }
  /** The artifact does not match its `content-encoding`, or is incomplete. `cause` is zlib's error. */
  readonly content_decoding_failed: { readonly contentEncoding: string }
  /** The storage service returned an error other than an expired URL. */
  readonly download_failed: {
    readonly status: number
    /** How often the download was requested. */
    readonly attempts: number
    /** Seconds until it may be requested again, if the storage service states it. */
    readonly retryAfterSeconds: number | undefined
  }
  /** The artifact is longer than `maxBytes`, by its declared or actual length. */
  readonly download_too_large: { readonly maxBytes: number }
  /** The storage service refused the URL, which could not be renewed, or refused the renewed URL too. */
  readonly download_url_expired: { readonly status: number }
  /** The file could not be written, for example because the disk is full or permission is missing. */
  readonly file_write_failed: {
    readonly path: string
    /** The system's error code, for example `ENOSPC`. */
    readonly systemCode: string | undefined
  }
  /** The size or the SHA-256 differs from what was expected, or the stated hash is not a SHA-256. */
  readonly integrity_mismatch: NoFacts
  /** The job ended as `failed`. */
  readonly job_failed: { readonly jobId: string; readonly failureReason: string | undefined }
  /** The job did not end in time. It keeps running on ScrapeNest. */
  readonly job_timeout: { readonly jobId: string; readonly timeoutMs: number }
  /** 404: the organization has no such resource. */
  readonly not_found: ErrorResponseFacts
  /** 403: the key lacks the scope, or its IP allowlist lacks this machine's address. */
  readonly permission_denied: ErrorResponseFacts
  /** 429: a limit of the key or the organization is exceeded, even after retries. */
  readonly rate_limited: ErrorResponseFacts
  /** 400: the request was malformed. */
  readonly request_invalid: ErrorResponseFacts
  /** No response within `timeoutMs`, or no further byte of a download. */
  readonly request_timeout: { readonly timeoutMs: number }
  /** The request succeeded, but the body is not what the API documents. */
  readonly response_invalid: NoFacts
  /** 5xx, even after retries. */
  readonly server_error: ErrorResponseFacts
  /** The download was redirected too often. */
  readonly too_many_redirects: NoFacts
  /** A status that the API does not document, such as a redirect, which is never followed with the key. */
  readonly unexpected_status: ErrorResponseFacts
  /** The URL is malformed, is not https, or contains a user name or password. */
  readonly url_not_allowed: NoFacts
  /** 422: a field is invalid. `details` names it. */
  readonly validation_failed: ErrorResponseFacts
}

export type ScrapeNestErrorCode = keyof ScrapeNestErrorFacts

/** The codes of error responses of the API. */
export type ErrorResponseCode = {
  [Code in ScrapeNestErrorCode]: ScrapeNestErrorFacts[Code] extends ErrorResponseFacts ? Code : never
}[ScrapeNestErrorCode]

interface Row<Facts> {
  readonly facts: Readonly<Record<keyof Facts, true>>
  /** The HTTP status for this code. */
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
 * What all errors with a code have in common. To add a code, add it to ScrapeNestErrorFacts, this table and the README. The
 * compiler checks the table, and a test checks the README.
 */
const table: { readonly [Code in ScrapeNestErrorCode]: Row<ScrapeNestErrorFacts[Code]> } = {
  address_not_allowed: {
    facts: { address: true },
    advice: 'If this is intended, as with a simulator on this machine, set allowPrivateAddresses.',
  },
  artifact_not_found: { facts: none },
  authentication_failed: {
    facts: ofErrorResponse,
    status: 401,
    advice: 'Check the API key, and whether it belongs to this base URL.',
  },
  conflict: { facts: ofErrorResponse, status: 409 },
  connection_failed: { facts: { attempts: true } },
  content_coding_unsupported: {
    facts: { contentEncoding: true },
    advice: 'Only gzip, br and deflate can be decoded.',
  },
  content_decoding_failed: { facts: { contentEncoding: true } },
  download_failed: { facts: { status: true, attempts: true, retryAfterSeconds: true } },
  download_too_large: { facts: { maxBytes: true }, advice: 'If this is expected, raise maxBytes.' },
  download_url_expired: { facts: { status: true } },
  file_write_failed: { facts: { path: true, systemCode: true }, advice: 'No partial file is left under this name.' },
  integrity_mismatch: { facts: none },
  job_failed: { facts: { jobId: true, failureReason: true } },
  job_timeout: {
    facts: { jobId: true, timeoutMs: true },
    advice: 'The job keeps running. Call jobs.wait again, or wait for its webhook.',
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

/** The code for an error status, as documented by the API. */
export function codeOfStatus(status: number): ErrorResponseCode {
  for (const [code, row] of Object.entries(table)) {
    // The type of a row only allows a status for these codes.
    if (row.status === status) return code as ErrorResponseCode
  }
  return status >= 500 ? 'server_error' : 'unexpected_status'
}

/** A code, a message, and the properties of the code. */
export type ScrapeNestErrorOptions = {
  [Code in ScrapeNestErrorCode]: ErrorOptions & {
    readonly code: Code
    /** What happened. The advice for the code is appended. */
    readonly message: string
  } & ScrapeNestErrorFacts[Code]
}[ScrapeNestErrorCode]

/**
 * The error of a failed call. `isScrapeNestError` narrows to it, and `code` narrows to the properties of each code. Invalid
 * options throw core's `ConfigurationError` instead, and an aborted call rejects with the signal's reason.
 *
 * Neither messages nor printed errors contain the API key or a `download_url`, which is a credential too.
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
    // A getter, because inspect with showHidden prints non-enumerable values.
    if (body !== undefined) Object.defineProperty(this, 'body', { get: () => body })
  }

  // On the prototype, so the stack starts with it.
  override get name(): 'ScrapeNestError' {
    return 'ScrapeNestError'
  }

  /** Identifies errors from another installed copy of this package, for which `instanceof` fails. */
  get library(): 'scrapenest-client' {
    return 'scrapenest-client'
  }
}

/** Every error of this client, discriminated by `code`. */
export type AnyScrapeNestError = {
  [Code in ScrapeNestErrorCode]: ScrapeNestError & { readonly code: Code } & ScrapeNestErrorFacts[Code]
}[ScrapeNestErrorCode]

/**
 * Narrows any value to an error of this client, from this installed copy or another. An object that lacks the properties of
 * its code does not qualify. Never throws.
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
    // null, or a proxy or a getter that throws.
    return false
  }
}

function isCode(value: unknown): value is ScrapeNestErrorCode {
  return typeof value === 'string' && Object.hasOwn(table, value)
}
