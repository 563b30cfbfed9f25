import { runInNewContext } from 'node:vm'
import { PermanentError, WebhookError } from '@scrapenest-webhooks/core'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { toAttemptError } from '../../src/worker/attempt-error.ts'
import { maskUrls } from '../../src/worker/mask-urls.ts'

const throwing = {
  get message(): string {
    throw new Error('hostile')
  },
  get stack(): string {
    throw new Error('hostile')
  },
}

describe('the stored error of an attempt', () => {
  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['text', 'text'],
    ['a BigInt', 10n],
    ['a symbol', Symbol('x')],
    ['an object without a prototype', Object.create(null)],
    ['a function', () => {}],
    ['an error with message null', Object.assign(new Error('x'), { message: null })],
    ['an error with a BigInt as its message', Object.assign(new Error('x'), { message: 10n })],
    ['an error whose message contains itself', circular()],
    ['an error with stack null', Object.assign(new Error('x'), { stack: null })],
    ['an error with a symbol as its name', Object.assign(new Error('x'), { name: Symbol('x') })],
    ['an AggregateError without errors', Object.assign(new AggregateError([]), { errors: undefined })],
    ['an AggregateError of anything', new AggregateError([null, 10n, Symbol('x'), Object.create(null)])],
    ['an error with getters that throw', throwing],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('hostile')
          },
        },
      ),
    ],
    ['a revoked proxy', revoked()],
    ['text with U+0000 and half a surrogate pair', new Error('a\0b\ud800c')],
    ['a message of a megabyte', new Error('🔑'.repeat(500_000))],
  ])('is plain, storable text: %s', (_kind, thrown) => {
    const error = toAttemptError(thrown)
    expect(error.code).toBe('handler_failed')
    for (const text of [error.name, error.message, error.stack ?? '']) {
      expect(typeof text).toBe('string')
      expect(text.length).toBeLessThanOrEqual(8193)
      expect(text).not.toMatch(/[\0\p{Surrogate}]/u)
    }
    expect(JSON.parse(JSON.stringify(error))).toEqual(error)
  })

  it("is the handler's error, not the one around it", () => {
    const error = new WebhookError('handler_failed', undefined, { cause: new RangeError('too far') })
    expect(toAttemptError(error)).toMatchObject({ code: 'handler_failed', name: 'RangeError', message: 'too far' })
  })

  it('includes what an AggregateError contains', () => {
    const error = new AggregateError([new Error('one'), new Error('two')], 'both')
    expect(toAttemptError(error).message).toBe('both Error: one Error: two')
  })

  it('is complete for an error from another realm, as under Jest', () => {
    const error: unknown = runInNewContext("new RangeError('too far')")
    expect(error).not.toBeInstanceOf(Error)
    expect(toAttemptError(error)).toMatchObject({ name: 'RangeError', message: 'too far', stack: expect.any(String) })
  })

  it('keeps the code of an error of this library', () => {
    expect(toAttemptError(new PermanentError('no')).code).toBe('permanent_failure')
  })
})

function circular(): Error {
  const error = new Error('x')
  return Object.assign(error, { message: { error, toString: undefined } })
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe('the URLs of an event', () => {
  const eventWith = (download_url: string) => {
    const body = Buffer.from(JSON.stringify({ data: { download_url, other: [`${download_url}&x=1`] } }))
    return { ...createInboxEvent(), body }
  }

  it.each([
    'https://storage.example/a?X-Amz-Signature=SECRET',
    'https://Storage.example:443/ä b?X-Amz-Signature=SECRET',
    'https://s3 .example/a?X-Amz-Signature=SECRET',
    'https://user:SECRET@storage.example/a',
  ])('are not in the stored error: %s', (url) => {
    const error = new TypeError(`Failed to parse URL from ${url}`, { cause: new Error(url) })
    const stored = maskUrls(toAttemptError(error), eventWith(url))
    expect(JSON.stringify(stored)).not.toContain('SECRET')
    const href = URL.canParse(url) ? new URL(url).href : url
    expect(JSON.stringify(maskUrls(toAttemptError(new Error(href)), eventWith(url)))).not.toContain('SECRET')
  })

  it('leave the rest of the error unchanged', () => {
    const stored = maskUrls(toAttemptError(new Error('no space')), eventWith('https://a.example/?b'))
    expect(stored).toMatchObject({ code: 'handler_failed', name: 'Error', message: 'no space' })
  })
})
