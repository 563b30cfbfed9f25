import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  isScrapeNestError,
  ScrapeNestError,
  type ScrapeNestErrorCode,
  type ScrapeNestErrorOptions,
} from '../src/index.ts'

const response = {
  message: 'GET /v1/jobs returned an error.',
  request: 'GET /v1/jobs',
  status: 400,
  attempts: 1,
  apiCode: undefined,
  requestId: undefined,
  details: [],
  retryAfterSeconds: undefined,
  body: 'what was sent',
}

/** One error of each code. The compiler reports missing codes and missing facts. */
const examples: { readonly [Code in ScrapeNestErrorCode]: Extract<ScrapeNestErrorOptions, { readonly code: Code }> } = {
  address_not_allowed: { code: 'address_not_allowed', message: 'x', address: '127.0.0.1' },
  artifact_not_found: { code: 'artifact_not_found', message: 'x' },
  authentication_failed: { code: 'authentication_failed', ...response },
  conflict: { code: 'conflict', ...response },
  connection_failed: { code: 'connection_failed', message: 'x', attempts: 2 },
  content_coding_unsupported: { code: 'content_coding_unsupported', message: 'x', contentEncoding: 'zstd' },
  content_decoding_failed: { code: 'content_decoding_failed', message: 'x', contentEncoding: 'gzip' },
  download_failed: { code: 'download_failed', message: 'x', status: 404, attempts: 1, retryAfterSeconds: undefined },
  download_too_large: { code: 'download_too_large', message: 'x', maxBytes: 1 },
  download_url_expired: { code: 'download_url_expired', message: 'x', status: 403 },
  file_write_failed: { code: 'file_write_failed', message: 'x', path: '/data/page.html', systemCode: 'ENOSPC' },
  integrity_mismatch: { code: 'integrity_mismatch', message: 'x' },
  job_failed: { code: 'job_failed', message: 'x', jobId: 'j1', failureReason: undefined },
  job_timeout: { code: 'job_timeout', message: 'x', jobId: 'j1', timeoutMs: 1 },
  not_found: { code: 'not_found', ...response },
  permission_denied: { code: 'permission_denied', ...response },
  rate_limited: { code: 'rate_limited', ...response },
  request_invalid: { code: 'request_invalid', ...response },
  request_timeout: { code: 'request_timeout', message: 'x', timeoutMs: 1 },
  response_invalid: { code: 'response_invalid', message: 'x' },
  server_error: { code: 'server_error', ...response },
  too_many_redirects: { code: 'too_many_redirects', message: 'x' },
  unexpected_status: { code: 'unexpected_status', ...response },
  url_not_allowed: { code: 'url_not_allowed', message: 'x' },
  validation_failed: { code: 'validation_failed', ...response },
}
const all = Object.values(examples)

describe('an error of the client', () => {
  it.each(all)('carries the facts of its code: $code', (options) => {
    const { message, ...facts } = options
    const error = new ScrapeNestError(options)

    expect(error).toMatchObject(facts)
    expect(error.message.startsWith(message)).toBe(true)
    expect(isScrapeNestError(error)).toBe(true)
  })

  it('begins its message with what happened, and ends it with what to do', () => {
    const error = new ScrapeNestError({ ...examples.job_timeout, message: 'Job j1 did not finish within 1 ms.' })

    expect(error.message).toBe(
      'Job j1 did not finish within 1 ms. The job keeps running. Call jobs.wait again, or wait for its webhook.',
    )
  })

  it('has a cause only if there is one', () => {
    const cause = new Error('ECONNRESET')

    expect(new ScrapeNestError({ ...examples.connection_failed, cause }).cause).toBe(cause)
    expect('cause' in new ScrapeNestError(examples.connection_failed)).toBe(false)
  })

  it('is named in logs that print only the stack, and shows its code when it is inspected', () => {
    const error = new ScrapeNestError(examples.rate_limited)

    expect(error.stack).toMatch(/^ScrapeNestError: GET \/v1\/jobs/)
    expect(inspect(error)).toContain("code: 'rate_limited'")
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: 'rate_limited', status: 400 })
  })

  it('has a body to read, which no logger prints', () => {
    const error = new ScrapeNestError(examples.conflict)

    expect(error).toHaveProperty('body', 'what was sent')
    expect(Object.keys(error)).not.toContain('body')
    for (const printed of [inspect(error, { showHidden: true, depth: 9 }), JSON.stringify(error), String(error)]) {
      expect(printed).not.toContain('what was sent')
    }
  })
})

describe('isScrapeNestError', () => {
  it('recognizes an error of another installed copy', () => {
    class OtherCopy extends Error {
      readonly code = 'job_timeout'
      readonly jobId = 'j1'
      readonly timeoutMs = 1
      get library(): string {
        return 'scrapenest-client'
      }
    }

    expect(isScrapeNestError(new OtherCopy('late'))).toBe(true)
  })

  const library = 'scrapenest-client'
  const throwing = new Proxy({}, { get: () => expect.fail('trapped'), has: () => expect.fail('trapped') })
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'rate_limited'],
    ['another error', Object.assign(new Error('x'), { code: 'rate_limited', attempts: 1 })],
    ['an unknown code', { library, message: 'x', code: 'no_such_code' }],
    ['a code that every object inherits', { library, message: 'x', code: 'toString' }],
    ['a code that is not a text', { library, message: 'x', code: ['conflict'] }],
    ['no message', { library, code: 'artifact_not_found' }],
    ['a code without its facts', { library, message: 'x', code: 'job_timeout', jobId: 'j1' }],
    ['a proxy that throws', throwing],
    [
      'a getter that throws',
      {
        get library() {
          throw new Error('trapped')
        },
      },
    ],
  ])('does not throw, and is false for %s', (_what, value) => {
    expect(isScrapeNestError(value)).toBe(false)
  })
})

it('the README lists each code once', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const [, section = ''] = /^## Errors\n([\s\S]*?)(?:^## |(?![\s\S]))/m.exec(readme) ?? []
  // The first row is the heading.
  const [, ...listed] = [...section.matchAll(/^\| `(\w+)` +\|/gm)].map(([, code]) => code)

  expect(listed.sort()).toEqual(Object.keys(examples).sort())
})
