import { describe, expect, it } from 'vitest'
import { reasonOf } from '../../src/request/system-code.ts'

const withCode = (code: string, message = 'connect 192.0.2.1'): Error => Object.assign(new Error(message), { code })

describe('the reason of a failure', () => {
  it.each<[string, unknown, string]>([
    ['its code', withCode('ECONNREFUSED'), 'ECONNREFUSED'],
    ['the code of its cause', new TypeError('fetch failed', { cause: withCode('ENOTFOUND') }), 'ENOTFOUND'],
    ['the code of the first of several', new AggregateError([withCode('ETIMEDOUT')]), 'ETIMEDOUT'],
    ['its message', new TypeError('x is not a function'), 'x is not a function'],
    ['the message of its cause', new TypeError('fetch failed', { cause: new Error('bad port.') }), 'bad port'],
    ['its message where the cause has none', new TypeError('fetch failed', { cause: new Error() }), 'fetch failed'],
    ['unknown without a message', new TypeError(), 'unknown reason'],
    ['unknown if it is not an error', 'text', 'unknown reason'],
  ])('is %s', (_what, error, reason) => {
    expect(reasonOf(error)).toBe(reason)
  })

  it.each([
    'Failed to parse URL from https://storage.example/a?X-Amz-Signature=1',
    'Failed to parse URL from /a?X-Amz-Signature=1',
    'Failed to parse URL from "https://storage.example/a?X-Amz-Signature=1"',
  ])('shows no URL: %s', (message) => {
    expect(reasonOf(new TypeError(message))).toBe('Failed to parse URL from [URL]')
  })
})
