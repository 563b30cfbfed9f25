import { describe, expect, it } from 'vitest'
import { ScrapeNestError, type ScrapeNestErrorOptions } from '../../src/index.ts'
import { withRetries } from '../../src/request/retry.ts'
import { failureOf } from '../failure-of.ts'

/** No pause before the retry. */
const retryAfterSeconds = 0
const response = {
  message: 'x',
  request: 'GET /',
  attempts: 1,
  apiCode: undefined,
  requestId: undefined,
  details: [],
  retryAfterSeconds,
  body: '',
}
const download = { code: 'download_failed', message: 'x', attempts: 1, retryAfterSeconds } as const
const systemError = (code: string): Error => Object.assign(new Error(code), { code })
const connection = (cause: Error) => ({ code: 'connection_failed', message: 'x', attempts: 1, cause }) as const

/** Failures, and whether each is retried for an idempotent request and for any other. */
const failures: readonly (readonly [name: string, failure: ScrapeNestErrorOptions, retried: readonly boolean[]])[] = [
  ['429', { ...response, code: 'rate_limited', status: 429 }, [true, true]],
  ['500', { ...response, code: 'server_error', status: 500 }, [true, false]],
  ['503', { ...response, code: 'server_error', status: 503 }, [true, false]],
  ['501', { ...response, code: 'server_error', status: 501 }, [false, false]],
  ['404', { ...response, code: 'not_found', status: 404 }, [false, false]],
  ['503 of a download', { ...download, status: 503 }, [true, false]],
  ['429 of a download', { ...download, status: 429 }, [true, false]],
  ['404 of a download', { ...download, status: 404 }, [false, false]],
  ['a broken connection', connection(systemError('ECONNRESET')), [true, false]],
  ['a server that was not reached', connection(systemError('ECONNREFUSED')), [true, true]],
  [
    'a server that fetch did not reach',
    connection(new TypeError('fetch failed', { cause: systemError('ENOTFOUND') })),
    [true, true],
  ],
  ['an untrusted certificate', connection(systemError('SELF_SIGNED_CERT_IN_CHAIN')), [false, false]],
  ['an expired certificate', connection(systemError('CERT_HAS_EXPIRED')), [false, false]],
  [
    'the certificate of another host',
    connection(new TypeError('fetch failed', { cause: systemError('ERR_TLS_CERT_ALTNAME_INVALID') })),
    [false, false],
  ],
  [
    'a port that fetch blocks',
    connection(new TypeError('fetch failed', { cause: new Error('bad port') })),
    [false, false],
  ],
  ['a timeout', { code: 'request_timeout', message: 'x', timeoutMs: 1 }, [true, false]],
  ['an invalid response', { code: 'response_invalid', message: 'x' }, [false, false]],
  ['a full disk', { code: 'file_write_failed', message: 'x', path: '/a', systemCode: 'ENOSPC' }, [false, false]],
]

const options = { maxRetries: 2, idempotent: true, signal: undefined }

describe('withRetries', () => {
  it.each(failures)('retries what may succeed, and only what is safe: %s', async (_name, failure, retried) => {
    const counts = []
    for (const idempotent of [true, false]) {
      let count = 0
      await withRetries({ ...options, maxRetries: 1, idempotent }, async (attempts) => {
        count = attempts
        throw new ScrapeNestError(failure)
      }).catch(() => {})
      counts.push(count > 1)
    }

    expect(counts).toEqual(retried)
  })

  it('counts the attempts, and rejects with the failure of the last one', async () => {
    const seen: number[] = []
    const failure = failureOf(
      withRetries(options, async (attempts) => {
        seen.push(attempts)
        throw new ScrapeNestError({ ...download, status: 503, attempts })
      }),
    )

    expect(await failure).toMatchObject({ attempts: 3 })
    expect(seen).toEqual([1, 2, 3])
  })

  it('leaves a Retry-After beyond 30 s to the caller', async () => {
    let count = 0
    await withRetries(options, async () => {
      count += 1
      throw new ScrapeNestError({ ...download, status: 503, retryAfterSeconds: 31 })
    }).catch(() => {})

    expect(count).toBe(1)
  })

  it('does not retry what is not an error of this client', async () => {
    let count = 0
    const reason = new Error('from a callback')
    const failure = failureOf(
      withRetries(options, async () => {
        count += 1
        throw reason
      }),
    )

    expect(await failure).toBe(reason)
    expect(count).toBe(1)
  })

  it('ends its pause when aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const failure = failureOf(
      withRetries({ ...options, signal: controller.signal }, async () => {
        setTimeout(() => controller.abort(reason), 10)
        throw new ScrapeNestError({ ...download, status: 503, retryAfterSeconds: 20 })
      }),
    )

    expect(await failure).toBe(reason)
  })
})
