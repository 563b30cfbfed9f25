import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { sign, verify } from '../../src/index.ts'
import { atStart, base64Mac, refusal, secret, startMs, startSeconds } from '../deliveries.ts'

describe('sign', () => {
  it('signs id, timestamp and body', () => {
    expect(sign({ id: 'msg_1', timestamp: startSeconds, body: 'x' }, secret)).toEqual({
      'svix-id': 'msg_1',
      'svix-timestamp': String(startSeconds),
      'svix-signature': `v1,${base64Mac(`msg_1.${startSeconds}.x`)}`,
    })
  })

  it('rounds a Date down to the second', () => {
    const late = sign({ id: 'msg_1', timestamp: new Date(startMs + 999), body: 'x' }, secret)
    expect(late).toEqual(sign({ id: 'msg_1', timestamp: startSeconds, body: 'x' }, secret))
  })

  it('takes a Date and bytes from another realm, as under Jest', () => {
    const [timestamp, body] = runInNewContext(`[new Date(${startMs}), new Uint8Array([120])]`)
    const headers = sign({ id: 'msg_1', timestamp, body }, secret)
    expect(headers).toEqual(sign({ id: 'msg_1', timestamp: startSeconds, body: 'x' }, secret))
  })

  it('signs text as UTF-8', () => {
    const text = '{"s":"Zürich 🔑"}'
    const headers = sign({ id: 'msg_1', timestamp: startSeconds, body: text }, secret)
    expect(headers).toEqual(sign({ id: 'msg_1', timestamp: startSeconds, body: Buffer.from(text) }, secret))
    expect(verify({ headers, body: new TextEncoder().encode(text) }, secret, atStart).messageId).toBe('msg_1')
  })

  it.each([Number.NaN, 1.5, -1, Number.MAX_SAFE_INTEGER + 1, new Date('no date'), '1'])(
    'rejects the timestamp %o',
    (timestamp) => {
      expect(() => sign({ id: 'msg_1', timestamp: timestamp as number, body: 'x' }, secret)).toThrow(
        refusal('configuration_invalid', 'Expected the timestamp to be a whole number'),
      )
    },
  )

  it.each(['a', 'a'.repeat(256), 'msg_~!#$%&'])('signs an id that verify accepts: %s', (id) => {
    const headers = sign({ id, timestamp: startSeconds, body: '{}' }, secret)
    expect(verify({ headers, body: Buffer.from('{}') }, secret, atStart).messageId).toBe(id)
  })

  it.each(['', 'a'.repeat(257), 'é', 'a.b', 'a,b', 'a b', 'a\n', 7, 1n, undefined, null, {}])(
    'rejects the id %o, which verify would refuse',
    (id) => {
      expect(() => sign({ id: id as string, timestamp: startSeconds, body: 'x' }, secret)).toThrow(
        refusal('configuration_invalid', 'Expected the id to be 1 to 256 printable ASCII characters'),
      )
    },
  )

  it('rejects a body that is neither bytes nor text', () => {
    expect(() => sign({ id: 'msg_1', timestamp: startSeconds, body: {} as string }, secret)).toThrow(
      refusal('raw_body_unavailable'),
    )
  })
})
