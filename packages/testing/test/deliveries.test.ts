import { runInNewContext } from 'node:vm'
import { generateSecret, verify } from '@scrapenest-webhooks/core'
import { describe, expect, it } from 'vitest'
import { signDelivery } from '../src/index.ts'

describe('signDelivery', () => {
  const secret = generateSecret()
  const memory = Uint8Array.from(Buffer.from('..{"a":1}..'))

  it.each<[string, object | string]>([
    ['an object', { a: 1 }],
    ['text', '{"a":1}'],
    ['a view', memory.subarray(2, -2)],
    ['a view of wider elements', new DataView(memory.buffer, 2, 7)],
    ['an ArrayBuffer', memory.slice(2, -2).buffer],
    [
      'a Uint8Array of another realm',
      runInNewContext('Uint8Array.from(bytes)', { bytes: [...Buffer.from('{"a":1}')] }),
    ],
  ])('signs %s, and not the JSON of its bytes', (_form, payload) => {
    const { headers, body } = signDelivery(payload, { secret })
    expect(body.toString()).toBe('{"a":1}')
    expect(verify({ headers, body }, secret)).toMatchObject({ secretIndex: 0 })
  })

  it('copies the bytes, so that reusing the memory does not change what was signed', () => {
    const bytes = Buffer.from('{"a":1}')
    const { body } = signDelivery(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 7), { secret })
    const { body: copy } = signDelivery(bytes, { secret })
    bytes.fill(0)
    expect([body.toString(), copy.toString()]).toEqual(['{"a":1}', '{"a":1}'])
  })
  it('signs with a Date of another realm', () => {
    const sentAt = runInNewContext('new Date(1700000000000)')
    expect(signDelivery('{}', { secret, sentAt }).headers['svix-timestamp']).toBe('1700000000')
  })
})
