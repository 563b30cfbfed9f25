import { isWebhookError, verify } from '@scrapenest-webhooks/core'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'

const secret = generateSecret()

function codeOfRefusal(message: unknown): string {
  try {
    verify(message as never, secret)
  } catch (error) {
    if (isWebhookError(error)) return error.code
    throw error
  }
  return 'accepted'
}

function fail(): never {
  throw new Error('cannot be read')
}

describe('verify throws its own error for', () => {
  it.each([undefined, null, 7, 'message'])('a value that is not a message: %o', (message) => {
    expect(codeOfRefusal(message)).toBe('missing_header')
  })

  it.each<[string, () => unknown]>([
    ['a header whose getter throws', () => Object.defineProperty({}, 'svix-id', { get: fail, enumerable: true })],
    ['a proxy whose traps throw', () => new Proxy({}, { get: fail, has: fail, ownKeys: fail })],
    ['an iterator that throws', () => ({ [Symbol.iterator]: () => ({ next: fail }) })],
    ['an iterator that is not a function', () => ({ [Symbol.iterator]: 7 })],
    ['a value that is a revoked proxy', () => ({ 'svix-id': revoked() })],
    ['a pair that is a revoked proxy', () => [revoked()]],
  ])('headers that cannot be read: %s', (_what, make) => {
    expect(codeOfRefusal({ headers: make(), body: '' })).toBe('missing_header')
  })
})

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
