/**
 * Every failure this client reports, one class and one code each. A wrong option is core's `ConfigurationError`; an
 * aborted call rejects with its signal's own reason.
 *
 * No message and no printed error holds the API key, or a `download_url`, which is a credential too.
 */

export type ClientErrorCode =
  | 'address_not_allowed'
  | 'artifact_not_found'
  | 'authentication_failed'
  | 'conflict'
  | 'connection_failed'
  | 'download_failed'
  | 'download_too_large'
  | 'download_url_expired'
  | 'file_write_failed'
  | 'integrity_mismatch'
  | 'job_failed'
  | 'job_timeout'
  | 'not_found'
  | 'permission_denied'
  | 'rate_limited'
  | 'request_invalid'
  | 'request_timeout'
  | 'response_invalid'
  | 'server_error'
  | 'too_many_redirects'
  | 'unexpected_status'
  | 'url_not_allowed'
  | 'validation_failed'

/** The root of every error of this client. Abstract: each failure has a class and a code of its own. */
export abstract class ScrapeNestError extends Error {
  /** Recognises our errors across two installed copies of this package, where `instanceof` fails. */
  get library(): 'scrapenest-client' {
    return 'scrapenest-client'
  }
  abstract override readonly name: string
  /** Stable across releases. */
  abstract readonly code: ClientErrorCode
}

/** Narrows any value to an error of this client, also one thrown by a second installed copy. Never throws. */
export function isScrapeNestError(value: unknown): value is AnyClientError {
  try {
    const { library, code } = value as Partial<AnyClientError>
    return library === 'scrapenest-client' && typeof code === 'string'
  } catch {
    return false
  }
}

/** What is known of an API call that was answered with an error. */
export interface ApiFailure {
  /** Method and path: `POST /v1/jobs`. */
  readonly request: string
  readonly status: number
  /** How often the request was sent. */
  readonly attempts: number
  /** ScrapeNest's own code for the error. */
  readonly apiCode?: string | undefined
  readonly apiMessage?: string | undefined
  /** What ScrapeNest's support asks for. */
  readonly requestId?: string | undefined
  /** Problems field by field; `validation_failed` has them. */
  readonly details: readonly Readonly<Record<string, unknown>>[]
  readonly retryAfterSeconds?: number | undefined
  /** The first 8 KiB of the answer. */
  readonly body: string
}

/** The API answered with an error. */
export abstract class ApiError extends ScrapeNestError implements Omit<ApiFailure, 'apiMessage' | 'body'> {
  readonly request: string
  readonly status: number
  readonly attempts: number
  readonly apiCode: string | undefined
  readonly requestId: string | undefined
  readonly details: readonly Readonly<Record<string, unknown>>[]
  readonly retryAfterSeconds: number | undefined
  readonly #body: string

  constructor(failure: ApiFailure, advice = '') {
    const said = failure.apiMessage ?? failure.apiCode
    const id = failure.requestId === undefined ? '' : ` (request ${failure.requestId})`
    super(`${failure.request} was answered ${failure.status}${said ? `: ${said}` : ''}${id}.${advice && ` ${advice}`}`)
    this.request = failure.request
    this.status = failure.status
    this.attempts = failure.attempts
    this.apiCode = failure.apiCode
    this.requestId = failure.requestId
    this.details = failure.details
    this.retryAfterSeconds = failure.retryAfterSeconds
    this.#body = failure.body
  }

  /** The first 8 KiB of the answer. Only shown where it is asked for: an answer may quote what was sent. */
  get body(): string {
    return this.#body
  }
}

/** 400: the request was malformed. */
export class BadRequestError extends ApiError {
  override readonly name = 'BadRequestError'
  readonly code = 'request_invalid'
}

/** 401: the key is missing, wrong or revoked. */
export class AuthenticationError extends ApiError {
  override readonly name = 'AuthenticationError'
  readonly code = 'authentication_failed'
  constructor(failure: ApiFailure) {
    super(failure, 'Check the API key, and that it belongs to this base URL.')
  }
}

/** 403: the key lacks the scope, or the caller's address is not on its allowlist. */
export class PermissionDeniedError extends ApiError {
  override readonly name = 'PermissionDeniedError'
  readonly code = 'permission_denied'
  constructor(failure: ApiFailure) {
    super(failure, 'Check the scopes of the API key, and its IP allowlist.')
  }
}

/** 404: no such thing, for this organisation. */
export class NotFoundError extends ApiError {
  override readonly name = 'NotFoundError'
  readonly code = 'not_found'
}

/** 409: the request does not fit the state the thing is in. */
export class ConflictError extends ApiError {
  override readonly name = 'ConflictError'
  readonly code = 'conflict'
}

/** 422: a field is wrong; `details` says which. */
export class ValidationError extends ApiError {
  override readonly name = 'ValidationError'
  readonly code = 'validation_failed'
}

/** 429: over a limit of the key or the organisation, and still so after the retries. */
export class RateLimitError extends ApiError {
  override readonly name = 'RateLimitError'
  readonly code = 'rate_limited'
}

/** 5xx, and still so after the retries. */
export class ServerError extends ApiError {
  override readonly name = 'ServerError'
  readonly code = 'server_error'
}

/** A status the API does not document, for example a redirect, which is never followed with the key. */
export class UnexpectedStatusError extends ApiError {
  override readonly name = 'UnexpectedStatusError'
  readonly code = 'unexpected_status'
  constructor(failure: ApiFailure) {
    super(failure, 'Check baseUrl.')
  }
}

/** The answer was a success, but not what the API documents. */
export class ResponseInvalidError extends ScrapeNestError {
  override readonly name = 'ResponseInvalidError'
  readonly code = 'response_invalid'
  constructor(request: string, problem: string, options?: ErrorOptions) {
    super(`The answer to ${request} is not what ScrapeNest's API gives: ${problem}. Check baseUrl.`, options)
  }
}

/** The server could not be reached, or the connection broke. */
export class ConnectionError extends ScrapeNestError {
  override readonly name = 'ConnectionError'
  readonly code = 'connection_failed'
  readonly attempts: number
  constructor(request: string, { attempts, cause }: { readonly attempts: number; readonly cause: unknown }) {
    super(`${request} failed: ${reasonOf(cause)}. Sent ${attempts === 1 ? 'once' : `${attempts} times`}.`, { cause })
    this.attempts = attempts
  }
}

/** No answer, or no further byte, within `timeoutMs`. */
export class RequestTimeoutError extends ScrapeNestError {
  override readonly name = 'RequestTimeoutError'
  readonly code = 'request_timeout'
  readonly timeoutMs: number
  constructor(request: string, timeoutMs: number) {
    super(`${request}: nothing came for ${timeoutMs} ms.`)
    this.timeoutMs = timeoutMs
  }
}

/** The job ended as `failed`. */
export class JobFailedError extends ScrapeNestError {
  override readonly name = 'JobFailedError'
  readonly code = 'job_failed'
  readonly jobId: string
  readonly failureReason: string | undefined
  constructor(jobId: string, failureReason: string | undefined) {
    super(`Job ${jobId} failed: ${failureReason ?? 'no reason was given'}.`)
    this.jobId = jobId
    this.failureReason = failureReason
  }
}

/** The job had not ended when the waiting did. It goes on at ScrapeNest. */
export class JobTimeoutError extends ScrapeNestError {
  override readonly name = 'JobTimeoutError'
  readonly code = 'job_timeout'
  readonly jobId: string
  readonly timeoutMs: number
  constructor(jobId: string, timeoutMs: number) {
    super(
      `Job ${jobId} had not ended after ${timeoutMs} ms. It goes on: wait again with jobs.wait, or for its webhook.`,
    )
    this.jobId = jobId
    this.timeoutMs = timeoutMs
  }
}

/** The job has no such artifact, or several of which none can be told to be the one. */
export class ArtifactNotFoundError extends ScrapeNestError {
  override readonly name = 'ArtifactNotFoundError'
  readonly code = 'artifact_not_found'
}

/** The URL is not https, not a URL, or carries credentials. */
export class UrlNotAllowedError extends ScrapeNestError {
  override readonly name = 'UrlNotAllowedError'
  readonly code = 'url_not_allowed'
}

/** The host's address is private, loopback, link-local or reserved. */
export class AddressNotAllowedError extends ScrapeNestError {
  override readonly name = 'AddressNotAllowedError'
  readonly code = 'address_not_allowed'
  readonly address: string
  constructor(host: string, address: string) {
    super(
      `${host} is at ${address}, which is not an address of the public internet. ` +
        'Where that is meant, as with a simulator on this machine, set allowPrivateAddresses.',
    )
    this.address = address
  }
}

/** The download was redirected too often. */
export class TooManyRedirectsError extends ScrapeNestError {
  override readonly name = 'TooManyRedirectsError'
  readonly code = 'too_many_redirects'
  constructor(host: string, maxRedirects: number) {
    super(`The download from ${host} was redirected more than ${maxRedirects} times.`)
  }
}

/** The storage refused the URL, and there was no way to renew it, or the renewed one was refused as well. */
export class DownloadUrlExpiredError extends ScrapeNestError {
  override readonly name = 'DownloadUrlExpiredError'
  readonly code = 'download_url_expired'
  readonly status: number
  constructor(host: string, { status, renewed }: { readonly status: number; readonly renewed: boolean }) {
    super(
      `${host} answered ${status}: the download_url has expired or was changed. ` +
        (renewed
          ? 'A new one was refused as well.'
          : 'Give the whole event, or the artifact’s id: then an expired URL is renewed.'),
    )
    this.status = status
  }
}

/** The storage answered with an error that is not an expired URL. */
export class DownloadFailedError extends ScrapeNestError {
  override readonly name = 'DownloadFailedError'
  readonly code = 'download_failed'
  readonly status: number
  constructor(host: string, status: number) {
    super(`${host} answered the download with ${status}.`)
    this.status = status
  }
}

/** The artifact is longer than `maxBytes`, as declared or as counted. */
export class DownloadTooLargeError extends ScrapeNestError {
  override readonly name = 'DownloadTooLargeError'
  readonly code = 'download_too_large'
  readonly maxBytes: number
  constructor(maxBytes: number) {
    super(`The artifact is longer than ${maxBytes} bytes. Raise maxBytes if it may be.`)
    this.maxBytes = maxBytes
  }
}

/** What came is not what was expected: another size, or another SHA-256. Nothing was kept. */
export class IntegrityError extends ScrapeNestError {
  override readonly name = 'IntegrityError'
  readonly code = 'integrity_mismatch'
  constructor(what: 'size' | 'SHA-256', { expected, actual }: { readonly expected: string; readonly actual: string }) {
    super(`Expected an artifact with the ${what} ${expected}, got ${actual}. Nothing was kept; download it again.`)
  }
}

/** The file could not be written: the disk is full, the directory is not writable. Nothing was left behind. */
export class FileWriteError extends ScrapeNestError {
  override readonly name = 'FileWriteError'
  readonly code = 'file_write_failed'
  readonly path: string
  /** The system's own code, for example `ENOSPC`. */
  readonly systemCode: string | undefined
  constructor(path: string, cause: unknown) {
    super(`${path} could not be written: ${reasonOf(cause)}. There is no partial file under this name.`, { cause })
    this.path = path
    this.systemCode = systemCodeOf(cause)
  }
}

/** The closed union of all errors of the client, discriminated by `code`. */
export type AnyClientError =
  | AddressNotAllowedError
  | ArtifactNotFoundError
  | AuthenticationError
  | BadRequestError
  | ConflictError
  | ConnectionError
  | DownloadFailedError
  | DownloadTooLargeError
  | DownloadUrlExpiredError
  | FileWriteError
  | IntegrityError
  | JobFailedError
  | JobTimeoutError
  | NotFoundError
  | PermissionDeniedError
  | RateLimitError
  | RequestTimeoutError
  | ResponseInvalidError
  | ServerError
  | TooManyRedirectsError
  | UnexpectedStatusError
  | UrlNotAllowedError
  | ValidationError

const errorOf: Readonly<Record<number, new (failure: ApiFailure) => AnyClientError & ApiError>> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  422: ValidationError,
  429: RateLimitError,
}

/** The error of a status, as the API documents them. */
export function apiErrorOf(failure: ApiFailure): AnyClientError & ApiError {
  const fallback = failure.status >= 500 ? ServerError : UnexpectedStatusError
  return new (errorOf[failure.status] ?? fallback)(failure)
}

/** The system's code of a failure (`ECONNREFUSED`), which `fetch` keeps in its cause. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let cause = error, depth = 0; depth < 4; depth += 1) {
    if (!(cause instanceof Error)) return undefined
    if ('code' in cause && typeof cause.code === 'string') return cause.code
    cause = cause instanceof AggregateError ? cause.errors[0] : cause.cause
  }
  return undefined
}

/** Never the message of an unknown error: Node's own quote URLs, and a `download_url` is a credential. */
function reasonOf(cause: unknown): string {
  return systemCodeOf(cause) ?? (cause instanceof Error ? cause.name : 'unknown reason')
}
