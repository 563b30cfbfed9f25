import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createReceiver, sign, verify } from '../../src/index.ts'
import { signingKey } from '../../src/signing-key.ts'
import { answer, atStart, base64Mac, deliver, eventOf, recordingLogger, secret, startSeconds } from '../deliveries.ts'

const bytes = (length: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => (index * 31 + seed) % 256))

describe('signingKey', () => {
  const keyLengths = [16, 24, 32, 63, 64, 65, 200]
  const bodyLengths = [0, 1, 55, 64, 400, 16_383, 16_384, 16_385, 100_000]
  const prefixes = ['', 'msg_1.1614265330.', `${'a'.repeat(256)}.1614265330.`, `${'a'.repeat(20_000)}.1.`]

  it.each(keyLengths)('computes HMAC-SHA256 with a key of %i bytes, whatever was computed before', (keyLength) => {
    const raw = bytes(keyLength, keyLength)
    const key = signingKey(raw)
    // From long to short, so that what is left of a longer message would be noticed.
    for (const bodyLength of [...bodyLengths].reverse()) {
      const body = bytes(bodyLength, bodyLength)
      for (const prefix of prefixes) {
        const expected = createHmac('sha256', raw).update(prefix).update(body).digest('base64')
        expect(key.mac(prefix, body)).toBe(expected)
      }
    }
  })

  it('keeps two keys apart', () => {
    const [one, two] = [signingKey(bytes(24, 1)), signingKey(bytes(24, 2))]
    const first = one.mac('', Buffer.from('x'))
    const second = two.mac('', Buffer.from('x'))
    expect(first).not.toBe(second)
    expect(one.mac('', Buffer.from('x'))).toBe(first)
  })

  it('does not change with the bytes it was made of', () => {
    const raw = bytes(24, 1)
    const key = signingKey(raw)
    const before = key.mac('', Buffer.from('x'))
    raw.fill(0)
    expect(key.mac('', Buffer.from('x'))).toBe(before)
  })
})

describe('views of bytes', () => {
  const text = `${JSON.stringify(eventOf('job.created'))} `.padEnd(256)
  const buffer = new Uint8Array(Buffer.from(text)).buffer

  it.each([
    ['DataView', new DataView(buffer)],
    ['Uint16Array', new Uint16Array(buffer)],
    ['Float64Array', new Float64Array(buffer)],
    ['Uint8ClampedArray', new Uint8ClampedArray(buffer)],
  ])('are verified as the bytes they cover: %s', async (_kind, view) => {
    const { headers } = deliver(text)
    const body = view as unknown as Uint8Array
    expect(Buffer.from(verify({ headers, body }, secret, atStart).body).toString()).toBe(text)
    const receiver = createReceiver({ secret, ...atStart, logger: recordingLogger() })
    expect(await answer(receiver, { ...deliver(text), body: async () => body })).toMatchObject({ status: 202 })
  })

  it('are read from their own offset', () => {
    const body = Buffer.from(`..${text}....`).subarray(2, -4)
    expect(verify({ headers: deliver(text).headers, body }, secret, atStart).body).toBe(body)
  })
})

describe('sign', () => {
  it('takes an id of any length', () => {
    const id = 'a'.repeat(17_000)
    expect(sign({ id, timestamp: startSeconds, body: 'x' }, secret)['svix-signature']).toBe(
      `v1,${base64Mac(`${id}.${startSeconds}.x`)}`,
    )
  })
})
