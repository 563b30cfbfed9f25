import { createHmac, timingSafeEqual } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { generateSecret, verify } from '../../src/index.ts'
import { atStart, base64Mac, otherSecret, refusal, secret, startSeconds } from '../deliveries.ts'

// The real functions, with their calls recorded.
vi.mock('node:crypto', async (importOriginal) => {
  const crypto = await importOriginal<typeof import('node:crypto')>()
  return {
    ...crypto,
    createHmac: vi.fn(crypto.createHmac),
    timingSafeEqual: vi.fn(crypto.timingSafeEqual),
  }
})

const comparisons = vi.mocked(timingSafeEqual).mock
const mac = Buffer.from(base64Mac(`msg_1.${startSeconds}.x`), 'base64')

/** The genuine signature with one byte changed. */
function forgedAt(position: number): string {
  const forged = Buffer.from(mac)
  forged.writeUInt8(forged.readUInt8(position) ^ 1, position)
  return `v1,${forged.toString('base64')}`
}

function headersOf(family: 'svix' | 'webhook', id: string, signatures: readonly string[]): Record<string, string> {
  return {
    [`${family}-id`]: id,
    [`${family}-timestamp`]: String(startSeconds),
    [`${family}-signature`]: signatures.join(' '),
  }
}

describe('verify', () => {
  beforeEach(() => {
    vi.mocked(createHmac).mockClear()
    vi.mocked(timingSafeEqual).mockClear()
  })

  it('compares every signature with the digest of every key, in constant time and at equal lengths', () => {
    const headers = {
      ...headersOf('svix', 'msg_1', [forgedAt(0), forgedAt(15), forgedAt(31)]),
      ...headersOf('webhook', 'msg_2', [forgedAt(0), forgedAt(31)]),
    }
    expect(() => verify({ headers, body: 'x' }, [secret, otherSecret], atStart)).toThrow(refusal('signature_mismatch'))
    // Five signatures, two secrets, and two keys per secret.
    expect(comparisons.calls).toHaveLength(5 * 4)
    for (const [signature, digest] of comparisons.calls) {
      expect([signature.byteLength, digest.byteLength]).toEqual([44, 44])
    }
  })

  it.each([
    ['first', 0],
    ['last', 31],
  ])('refuses a signature that differs in its %s byte after the same comparisons', (_which, position) => {
    const headers = headersOf('svix', 'msg_1', [forgedAt(position)])
    expect(() => verify({ headers, body: 'x' }, secret, atStart)).toThrow(refusal('signature_mismatch'))
    expect(comparisons.calls).toHaveLength(2)
  })

  it.each([
    ['one HMAC per key when both header families have the same id', 'msg_1', 2],
    ['an HMAC per key and header family when their ids differ', 'msg_2', 4],
  ])('computes %s', (_title, id, count) => {
    const headers = { ...headersOf('svix', 'msg_1', [forgedAt(0)]), ...headersOf('webhook', id, [forgedAt(31)]) }
    expect(() => verify({ headers, body: 'x' }, secret, atStart)).toThrow(refusal('signature_mismatch'))
    expect(createHmac).toHaveBeenCalledTimes(count)
  })

  it('computes at most 32 HMACs: two header families, and two keys of each of eight secrets', () => {
    const headers = { ...headersOf('svix', 'msg_1', [forgedAt(0)]), ...headersOf('webhook', 'msg_2', [forgedAt(31)]) }
    const secrets = Array.from({ length: 8 }, generateSecret)
    expect(() => verify({ headers, body: 'x' }, secrets, atStart)).toThrow(refusal('signature_mismatch'))
    expect(createHmac).toHaveBeenCalledTimes(32)
  })

  it('accepts the genuine signature by the same comparison', () => {
    const headers = headersOf('svix', 'msg_1', [`v1,${mac.toString('base64')}`])
    expect(verify({ headers, body: 'x' }, secret, atStart).messageId).toBe('msg_1')
    expect(comparisons.results).toEqual([{ type: 'return', value: true }])
  })
})
