import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { permanentFailureAdvice } from '../../src/request/permanent-failure.ts'
import { reasonOf, systemCodeOf } from '../../src/request/system-code.ts'

const withCode = (code: string, message = 'connect 192.0.2.1'): Error => Object.assign(new Error(message), { code })

function emptyAggregate(): Error {
  return Object.assign(new AggregateError([], 'none', { cause: withCode('ECONNRESET') }), { errors: undefined })
}

describe('the reason of a failure', () => {
  it.each<[string, unknown, string]>([
    ['its code', withCode('ECONNREFUSED'), 'ECONNREFUSED'],
    ['the code of its cause', new TypeError('fetch failed', { cause: withCode('ENOTFOUND') }), 'ENOTFOUND'],
    ['the code of the first of several', new AggregateError([withCode('ETIMEDOUT')]), 'ETIMEDOUT'],
    ['the code of its cause where there is no first of several', emptyAggregate(), 'ECONNRESET'],
    ['its message', new TypeError('x is not a function'), 'x is not a function'],
    ['the message of its cause', new TypeError('fetch failed', { cause: new Error('bad port.') }), 'bad port'],
    ['its message where the cause has none', new TypeError('fetch failed', { cause: new Error() }), 'fetch failed'],
    ['unknown without a message', new TypeError(), 'unknown reason'],
    ['unknown if it is not an error', 'text', 'unknown reason'],
  ])('is %s', (_what, error, reason) => {
    expect(reasonOf(error)).toBe(reason)
  })

  it.each(['{ get message() { throw 1 } }', 'new Proxy({}, { get() { throw 1 } })', 'null'])(
    'is unknown if it cannot be read: %s',
    (thrown) => {
      expect(reasonOf(runInNewContext(`(${thrown})`))).toBe('unknown reason')
    },
  )

  it.each([
    'Failed to parse URL from https://storage.example/a?X-Amz-Signature=1',
    'Failed to parse URL from /a?X-Amz-Signature=1',
    'Failed to parse URL from "https://storage.example/a?X-Amz-Signature=1"',
  ])('shows no URL: %s', (message) => {
    expect(reasonOf(new TypeError(message))).toBe('Failed to parse URL from [URL]')
  })
})

describe('a failure from another realm, as under Jest', () => {
  it('keeps its system code, so that what was not sent is retried', () => {
    const failure: unknown = runInNewContext(`
      const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
      new TypeError('fetch failed', { cause: new AggregateError([refused]) })
    `)
    expect(failure).not.toBeInstanceOf(Error)
    expect(systemCodeOf(failure)).toBe('ECONNREFUSED')
  })

  it('is permanent where fetch blocks the port', () => {
    const failure: unknown = runInNewContext("new TypeError('fetch failed', { cause: new Error('bad port') })")
    expect(permanentFailureAdvice(failure)).toMatch(/does not connect to this port/)
  })
})
