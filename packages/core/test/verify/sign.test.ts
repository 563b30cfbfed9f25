import { describe, expect, it } from 'vitest'
import { sign, verify } from '../../src/index.ts'
import { atStart, base64Mac, secret, startMs, startSeconds } from '../deliveries.ts'

describe('sign', () => {
  it('signs id, timestamp and body', () => {
    expect(sign({ id: 'msg_1', timestamp: startSeconds, body: 'x' }, secret)).toEqual({
      'svix-id': 'msg_1',
      'svix-timestamp': String(startSeconds),
      'svix-signature': `v1,${base64Mac(`msg_1.${startSeconds}.x`)}`,
    })
  })

  it('takes a Date, rounded down to the second', () => {
    const late = sign({ id: 'msg_1', timestamp: new Date(startMs + 999), body: 'x' }, secret)
    expect(late).toEqual(sign({ id: 'msg_1', timestamp: startSeconds, body: 'x' }, secret))
  })

  it('signs text as its UTF-8 bytes', () => {
    const text = '{"s":"Zürich 🔑"}'
    const headers = sign({ id: 'msg_1', timestamp: startSeconds, body: text }, secret)
    expect(headers).toEqual(sign({ id: 'msg_1', timestamp: startSeconds, body: Buffer.from(text) }, secret))
    expect(verify({ headers, body: new TextEncoder().encode(text) }, secret, atStart).id).toBe('msg_1')
  })

  it.each([Number.NaN, 1.5, -1, Number.MAX_SAFE_INTEGER + 1, new Date('no date'), '1'])(
    'refuses the timestamp %o',
    (timestamp) => {
      expect(() => sign({ id: 'msg_1', timestamp: timestamp as number, body: 'x' }, secret)).toThrow(
        expect.objectContaining({
          code: 'configuration_invalid',
          message: expect.stringContaining('Expected the timestamp to be a whole number'),
        }),
      )
    },
  )
})
