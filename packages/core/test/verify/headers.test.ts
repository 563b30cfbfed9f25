import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { verify, type WebhookHeaders } from '../../src/index.ts'
import { collectHeaders } from '../../src/verify/headers.ts'
import { readSignedHeaders, signedHeadersOf } from '../../src/verify/signature-headers.ts'
import { atStart, base64Mac, deliver, eventOf, otherSecret, secret, startMs, startSeconds } from '../deliveries.ts'

const signature = `v1,${base64Mac(`msg_1.${startSeconds}.x`)}`
const strangers = `v1,${base64Mac(`msg_1.${startSeconds}.x`, otherSecret)}`

function family(
  name: 'svix' | 'webhook',
  parts: Partial<Record<'id' | 'timestamp' | 'signature', unknown>> = {},
): object {
  const all = { id: 'msg_1', timestamp: String(startSeconds), signature, ...parts }
  return Object.fromEntries(Object.entries(all).map(([part, value]) => [`${name}-${part}`, value]))
}

describe('collectHeaders', () => {
  const expected = { 'svix-id': 'msg_1', 'content-length': '3' }
  const pairs = [
    ['SVIX-Id', 'msg_1'],
    ['Content-Length', '3'],
    ['X-Other', 'ignored'],
  ] as const

  it.each<[string, WebhookHeaders]>([
    ["Node's object", Object.fromEntries(pairs)],
    ['an object without prototype', Object.assign(Object.create(null), Object.fromEntries(pairs))],
    ['Headers', new Headers(pairs.map(([name, value]) => [name, value]))],
    ['a Map', new Map(pairs)],
    ['a list of pairs', pairs],
    [
      'a generator of pairs',
      (function* () {
        yield* pairs
      })(),
    ],
  ])('reads what is wanted from %s, in any case', (_form, headers) => {
    expect(collectHeaders(headers)).toEqual(expected)
  })

  it.each([['svix-id', 'msg_1'], [[]], [7], [[7, 7]]])('finds nothing in %o and does not throw', (...headers) => {
    expect(collectHeaders(headers as unknown as WebhookHeaders)).toEqual({})
  })

  it.each([undefined, null, 7, 'svix-id: msg_1'])('cannot read %o, and fears a body', (headers) => {
    expect(collectHeaders(headers as unknown as WebhookHeaders)).toEqual({ 'transfer-encoding': expect.any(TypeError) })
  })

  it('names the header that came as a list of several', () => {
    expect(() => collectHeaders({ 'Svix-Id': ['msg_1', 'msg_1'] })).toThrow(
      expect.objectContaining({ code: 'duplicate_header', message: 'Duplicate header: svix-id.' }),
    )
  })

  it('leaves out what is undefined, null or an empty list', () => {
    const headers = { 'svix-id': undefined, 'svix-timestamp': null, 'svix-signature': undefined, 'webhook-id': [] }
    expect(collectHeaders(headers as unknown as WebhookHeaders)).toEqual({})
  })

  it('joins a list of signatures and ignores what is no text in it', () => {
    const headers = { 'svix-signature': ['v1,a', Symbol('b'), 'v1,c'] }
    expect(collectHeaders(headers as unknown as WebhookHeaders)).toEqual({ 'svix-signature': 'v1,a v1,c' })
  })

  it('refuses a pair that comes twice with different values, and takes one that comes twice with the same', () => {
    const twice = (second: string): WebhookHeaders => [
      ['svix-id', 'msg_1'],
      ['Svix-Id', second],
    ]
    expect(() => collectHeaders(twice('msg_2'))).toThrow(
      expect.objectContaining({ code: 'duplicate_header', message: 'Duplicate header: svix-id.' }),
    )
    expect(collectHeaders(twice('msg_1'))).toEqual({ 'svix-id': 'msg_1' })
  })
})

describe('readSignedHeaders', () => {
  it.each(['svix', 'webhook'] as const)('reads the family %s', (name) => {
    const [only, ...others] = readSignedHeaders(family(name), startMs, 300)
    expect(others).toEqual([])
    expect(only).toEqual({
      id: 'msg_1',
      timestamp: startSeconds,
      prefix: `msg_1.${startSeconds}.`,
      signatures: [signature.slice(3)],
    })
  })

  it('gives both families where both are complete', () => {
    const both = { ...family('svix'), ...family('webhook', { id: 'msg_2' }) }
    expect(readSignedHeaders(both, startMs, 300).map(({ id }) => id)).toEqual(['msg_1', 'msg_2'])
  })

  it.each<[string, object, string]>([
    ['nothing at all', {}, 'svix-id'],
    ['no timestamp', family('svix', { timestamp: undefined }), 'svix-timestamp'],
    ['an empty signature', family('svix', { signature: '' }), 'svix-signature'],
    ['no id', family('svix', { id: undefined }), 'svix-id'],
    ['an incomplete webhook family', family('webhook', { signature: undefined }), 'webhook-signature'],
    ['two halves of two families', { 'svix-id': 'msg_1', ...family('webhook', { id: undefined }) }, 'svix-timestamp'],
    [
      'two halves the other way round',
      { ...family('svix', { id: undefined }), 'webhook-id': 'msg_1' },
      'webhook-timestamp',
    ],
  ])('names the missing header: %s', (_given, headers, missing) => {
    expect(() => readSignedHeaders(headers, startMs, 300)).toThrow(
      expect.objectContaining({ code: 'missing_header', message: `Missing header: ${missing}.` }),
    )
  })

  it('uses the complete family beside an incomplete one', () => {
    const headers = { ...family('webhook'), 'svix-id': 'msg_9' }
    expect(readSignedHeaders(headers, startMs, 300)).toMatchObject([{ id: 'msg_1' }])
  })

  it.each<[string, object, string]>([
    ['id', { id: 'a.b' }, 'message_id_invalid'],
    ['timestamp', { timestamp: '1.5' }, 'timestamp_invalid'],
    ['age', { timestamp: String(startSeconds - 301) }, 'timestamp_outside_tolerance'],
    ['signature', { signature: 'v2,x' }, 'no_supported_signature'],
  ])('reports what the first family suffers from when both are malformed: %s', (_given, parts, code) => {
    const headers = { ...family('svix', parts), ...family('webhook', { signature: 'v9,x' }) }
    expect(() => readSignedHeaders(headers, startMs, 300)).toThrow(expect.objectContaining({ code }))
  })

  it.each([
    ['1 character', 'a'],
    ['256 characters', 'a'.repeat(256)],
    ['every allowed sign', '!"#$%&\'()*+-/09:;<=>?@AZ[\\]^_`az{|}~'],
  ])('accepts an id of %s', (_given, id) => {
    expect(readSignedHeaders(family('svix', { id }), startMs, 300)).toMatchObject([{ id }])
  })

  it.each([
    ['257 characters', 'a'.repeat(257)],
    ['a comma', 'a,b'],
    ['a full stop', 'a.b'],
    ['DEL', 'a\x7f'],
    ['a number', 7],
  ])('refuses an id of %s', (_given, id) => {
    expect(() => readSignedHeaders(family('svix', { id }), startMs, 300)).toThrow(
      expect.objectContaining({ code: 'message_id_invalid' }),
    )
  })

  it('refuses a signature header that is no text', () => {
    expect(() => readSignedHeaders(family('svix', { signature: 7 }), startMs, 300)).toThrow(
      expect.objectContaining({ code: 'no_supported_signature' }),
    )
  })
})

describe('signedHeadersOf', () => {
  it('keeps the headers of both families as received, and nothing else', () => {
    const svix = family('svix')
    expect(signedHeadersOf({ ...svix, 'content-length': '3', 'webhook-id': 'msg_2', 'webhook-timestamp': 7 })).toEqual({
      ...svix,
      'webhook-id': 'msg_2',
    })
  })
})

describe('verify', () => {
  it('does not complete one family with the signature of the other', () => {
    const headers = { ...family('svix', { signature: undefined }), 'webhook-signature': signature }
    expect(() => verify({ headers: headers as WebhookHeaders, body: 'x' }, secret, atStart)).toThrow(
      expect.objectContaining({ code: 'missing_header' }),
    )
  })

  it.each<[string, object, object, string]>([
    ['svix', { signature }, { signature: strangers, id: 'msg_2' }, 'msg_1'],
    ['webhook', { signature: strangers, id: 'msg_2' }, { signature }, 'msg_1'],
  ])('gives the id of the family that verified: %s', (_which, svix, webhook, id) => {
    const headers = { ...family('svix', svix), ...family('webhook', webhook) } as WebhookHeaders
    expect(verify({ headers, body: 'x' }, secret, atStart).id).toBe(id)
  })

  it('takes bytes of another realm', () => {
    const text = JSON.stringify(eventOf('job.created'))
    const bytes: Uint8Array = runInNewContext('Uint8Array.from(bytes)', { bytes: [...Buffer.from(text)] })
    expect(bytes).not.toBeInstanceOf(Uint8Array)
    expect(Buffer.from(verify({ headers: deliver(text).headers, body: bytes }, secret, atStart).body).toString()).toBe(
      text,
    )
  })

  it('refuses an object that only has the prototype of bytes', () => {
    const body: Uint8Array = Object.create(Uint8Array.prototype)
    expect(() => verify({ headers: deliver('x').headers, body }, secret, atStart)).toThrow(
      expect.objectContaining({ code: 'raw_body_unavailable' }),
    )
  })

  it('refuses a signature of every single changed bit', () => {
    const { headers } = deliver('x')
    const mac = Buffer.from(signature.slice(3), 'base64')
    for (let bit = 0; bit < 256; bit += 1) {
      const forged = Buffer.from(mac)
      forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      const message = { headers: { ...headers, 'svix-signature': `v1,${forged.toString('base64')}` }, body: 'x' }
      expect(() => verify(message, secret, atStart)).toThrow(expect.objectContaining({ code: 'signature_mismatch' }))
    }
  })

  it.each([
    ['id', 'svix-id', 'msg_2'],
    ['timestamp', 'svix-timestamp', String(startSeconds + 1)],
  ])('refuses another %s under the same signature', (_part, name, value) => {
    const headers = { ...deliver('x').headers, [name]: value }
    expect(() => verify({ headers, body: 'x' }, secret, atStart)).toThrow(
      expect.objectContaining({ code: 'signature_mismatch' }),
    )
  })
})
