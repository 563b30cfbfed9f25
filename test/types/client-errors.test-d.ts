import {
  type AnyScrapeNestError,
  type ErrorResponseCode,
  type ErrorResponseFacts,
  isScrapeNestError,
  ScrapeNestError,
  type ScrapeNestErrorCode,
} from '@scrapenest-webhooks/client'
import { expectTypeOf } from 'vitest'

const wait = async (_seconds: number | undefined): Promise<void> => {}

/** Like a user's `catch`. */
export async function handle(error: unknown): Promise<void> {
  if (isScrapeNestError(error) && error.code === 'rate_limited') await wait(error.retryAfterSeconds)

  // @ts-expect-error The guard has not narrowed it.
  error.code

  if (!isScrapeNestError(error)) return
  expectTypeOf(error.code).toEqualTypeOf<ScrapeNestErrorCode>()
  expectTypeOf(error.name).toEqualTypeOf<'ScrapeNestError'>()
  expectTypeOf(error.message).toEqualTypeOf<string>()
  expectTypeOf(error).toExtend<Error>()
  // @ts-expect-error No such code.
  error.code === 'rate_limit'
  // @ts-expect-error The code has not narrowed it.
  error.retryAfterSeconds

  switch (error.code) {
    case 'authentication_failed':
    case 'conflict':
    case 'not_found':
    case 'permission_denied':
    case 'rate_limited':
    case 'request_invalid':
    case 'server_error':
    case 'unexpected_status':
    case 'validation_failed':
      expectTypeOf(error.request).toEqualTypeOf<string>()
      expectTypeOf(error.status).toEqualTypeOf<number>()
      expectTypeOf(error.attempts).toEqualTypeOf<number>()
      expectTypeOf(error.apiCode).toEqualTypeOf<string | undefined>()
      expectTypeOf(error.requestId).toEqualTypeOf<string | undefined>()
      expectTypeOf(error.details).toEqualTypeOf<readonly Readonly<Record<string, unknown>>[]>()
      expectTypeOf(error.retryAfterSeconds).toEqualTypeOf<number | undefined>()
      expectTypeOf(error.body).toEqualTypeOf<string>()
      // @ts-expect-error A response has no job.
      error.jobId
      return
    case 'connection_failed':
      expectTypeOf(error.attempts).toEqualTypeOf<number>()
      // @ts-expect-error There was no response.
      error.status
      return
    case 'request_timeout':
      expectTypeOf(error.timeoutMs).toEqualTypeOf<number>()
      return
    case 'job_failed':
      expectTypeOf(error.jobId).toEqualTypeOf<string>()
      expectTypeOf(error.failureReason).toEqualTypeOf<string | undefined>()
      return
    case 'job_timeout':
      expectTypeOf(error.jobId).toEqualTypeOf<string>()
      expectTypeOf(error.timeoutMs).toEqualTypeOf<number>()
      // @ts-expect-error Only a response has a body.
      error.body
      return
    case 'address_not_allowed':
      expectTypeOf(error.address).toEqualTypeOf<string>()
      return
    case 'download_failed':
      expectTypeOf(error.status).toEqualTypeOf<number>()
      expectTypeOf(error.attempts).toEqualTypeOf<number>()
      expectTypeOf(error.retryAfterSeconds).toEqualTypeOf<number | undefined>()
      return
    case 'download_url_expired':
      expectTypeOf(error.status).toEqualTypeOf<number>()
      // @ts-expect-error An expired URL is not retried.
      error.attempts
      return
    case 'content_coding_unsupported':
    case 'content_decoding_failed':
      expectTypeOf(error.contentEncoding).toEqualTypeOf<string>()
      return
    case 'download_too_large':
      expectTypeOf(error.maxBytes).toEqualTypeOf<number>()
      return
    case 'file_write_failed':
      expectTypeOf(error.path).toEqualTypeOf<string>()
      expectTypeOf(error.systemCode).toEqualTypeOf<string | undefined>()
      return
    case 'artifact_not_found':
    case 'integrity_mismatch':
    case 'response_invalid':
    case 'too_many_redirects':
    case 'url_not_allowed':
      // @ts-expect-error These codes have no facts.
      error.status
      return
  }
  // The list above is complete.
  expectTypeOf(error).toBeNever()
}

// instanceof narrows to the class: `code` is one of the list and nothing becomes any. The facts need the guard.
export function handleByClass(error: unknown): void {
  if (!(error instanceof ScrapeNestError)) return
  expectTypeOf(error.code).toEqualTypeOf<ScrapeNestErrorCode>()
  // @ts-expect-error The facts of a code need isScrapeNestError.
  if (error.code === 'rate_limited') error.retryAfterSeconds
}

// A group of codes also narrows.
expectTypeOf<Extract<AnyScrapeNestError, { readonly code: ErrorResponseCode }>>().toExtend<ErrorResponseFacts>()
expectTypeOf<Extract<AnyScrapeNestError, ErrorResponseFacts>['code']>().toEqualTypeOf<ErrorResponseCode>()

// An error is created with the facts of its code, for example to test a `catch`.
new ScrapeNestError({ code: 'job_timeout', message: 'late', jobId: 'j1', timeoutMs: 1 })
// @ts-expect-error A fact is missing.
new ScrapeNestError({ code: 'job_timeout', message: 'late', jobId: 'j1' })
// @ts-expect-error The fact belongs to another code.
new ScrapeNestError({ code: 'artifact_not_found', message: 'gone', jobId: 'j1' })
// @ts-expect-error No such code.
new ScrapeNestError({ code: 'job_late', message: 'late' })
