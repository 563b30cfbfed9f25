import { describe, expect, it, vi } from 'vitest'
import { findKeptBody, readWebBody } from '../../src/adapter.ts'
import type { InboxConnection, WebhookRequest } from '../../src/index.ts'
import { checkBodyHeaders, isJson, mustCloseIfUnread } from '../../src/receive/body.ts'
import { answer, deliver, failing, refusal, testReceiver } from '../deliveries.ts'

describe('checkBodyHeaders', () => {
  it.each(['', 'identity', 'IDENTITY'])('accepts the content-encoding %j', async (encoding) => {
    expect(() => checkBodyHeaders({ 'content-encoding': encoding }, 9)).not.toThrow()
    const request = deliver(undefined, { headers: { 'content-encoding': encoding } })
    expect((await answer(testReceiver(), request)).status).toBe(202)
  })

  it.each(['gzip', 'br', 'identity, gzip', 'x', 7])('refuses the content-encoding %j', (encoding) => {
    expect(() => checkBodyHeaders({ 'content-encoding': encoding }, 9)).toThrow(refusal('content_encoding_unsupported'))
  })

  it.each(['9', 'no number', '', undefined, 7])('accepts the content-length %j', (length) => {
    expect(() => checkBodyHeaders({ 'content-length': length }, 9)).not.toThrow()
  })

  it.each(['10', '1e9', 'Infinity'])('refuses the content-length %j with the limit', (length) => {
    expect(() => checkBodyHeaders({ 'content-length': length }, 9)).toThrow(
      expect.objectContaining({ code: 'body_too_large', maxBytes: 9 }),
    )
  })
})

describe('isJson', () => {
  it.each([
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    ' application/json ;x=y',
    'text/json',
    'application/vnd.scrapenest+json',
    'application/cloudevents+json; charset=utf-8',
  ])('recognizes %j', (contentType) => {
    expect(isJson({ 'content-type': contentType })).toBe(true)
  })

  it.each([
    undefined,
    '',
    'json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=application/json',
    'text/plain; x=application/json',
    'application/jsonp',
    'application/json5',
    'application/xjson',
    7,
  ])('does not mistake %j for it', (contentType) => {
    expect(isJson({ 'content-type': contentType })).toBe(false)
  })
})

describe('a body in a buffer that the host reuses', () => {
  it('is stored and handled exactly as verified', async () => {
    const { body: bytes, ...request } = deliver()
    const signed = await bytes({ maxBytes: 1024 })
    const buffer = Buffer.from(signed)
    const body = (): Uint8Array => {
      queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => buffer.fill(' '))))
      return buffer
    }
    const stored: Uint8Array[] = []
    const inbox: InboxConnection = {
      async put(event) {
        stored.push(event.body)
        return 'stored'
      },
      start: async () => {},
      close: async () => {},
    }
    expect((await answer(testReceiver({ inbox, processing: false }), { ...request, body })).status).toBe(202)
    expect(stored).toEqual([Buffer.from(signed)])
    expect(buffer.every((byte) => byte === 0x20)).toBe(true)
  })
})

describe('a reply before the body was read', () => {
  const replyWith = (headers: WebhookRequest['headers']) =>
    testReceiver().receive({ ...deliver(undefined, { method: 'GET' }), headers })

  it.each<[string, WebhookRequest['headers']]>([
    ['a length', { 'content-length': '1' }],
    ['a length in another case', { 'Content-Length': '1' }],
    ['chunks', { 'transfer-encoding': 'chunked' }],
    ['Headers', new Headers({ 'content-length': '1' })],
    ['a Map', new Map([['content-length', '1']])],
    ['a list of pairs', [['Transfer-Encoding', 'chunked']]],
    [
      'contradicting lengths',
      [
        ['content-length', '0'],
        ['content-length', '1'],
      ],
    ],
    ['headers that cannot be read', new Proxy({}, { ownKeys: failing(new Error('no')) })],
    ['no headers at all', undefined as unknown as Headers],
  ])('closes the connection: %s', async (_given, headers) => {
    expect(mustCloseIfUnread({ headers })).toBe(true)
    expect((await replyWith(headers)).headers).toMatchObject({ connection: 'close' })
  })

  it.each<[string, WebhookRequest['headers']]>([
    ['no length', {}],
    ['a length of 0', { 'content-length': '0' }],
    ['HTTP/2, which ends the stream instead', { ':method': 'POST', 'content-length': '1' }],
  ])('leaves the connection open: %s', async (_given, headers) => {
    expect(mustCloseIfUnread({ headers })).toBe(false)
    expect((await replyWith(headers)).headers).not.toHaveProperty('connection')
  })

  it('is the only reply that closes the connection', async () => {
    expect((await testReceiver().receive(deliver('hello'))).headers).not.toHaveProperty('connection')
  })
})

const body = '{"name":"Zürich 🔑"}'
const bytes = Buffer.from(body)
const length = String(bytes.byteLength)

describe('findKeptBody', () => {
  it.each<[string, unknown]>([
    ['a Buffer', bytes],
    ['a Uint8Array', new Uint8Array(bytes)],
    ['another view of bytes', new DataView(Uint8Array.from(bytes).buffer)],
    ['an ArrayBuffer', Uint8Array.from(bytes).buffer],
    ['text, which it encodes as UTF-8', body],
  ])('returns the bytes of %s', (_form, kept) => {
    expect(Buffer.from(findKeptBody([() => kept], length) ?? []).toString()).toBe(body)
  })

  it('reads a view from its offset', () => {
    const kept = Buffer.concat([Buffer.from('..'), bytes, Buffer.from('...')]).subarray(2, -3)
    expect(Buffer.from(findKeptBody([() => kept], length) ?? []).toString()).toBe(body)
  })

  it('prefers the place that is named first, and looks no further', () => {
    const found = findKeptBody([() => undefined, () => bytes, failing(new Error('not reached'))], length)
    expect(Buffer.from(found ?? []).toString()).toBe(body)
  })

  it.each<[string, () => unknown]>([
    ['a parsed object', () => JSON.parse(body)],
    ['a list', () => [...bytes]],
    ['a number', () => 7],
    ['null', () => null],
    ['undefined', () => undefined],
    ['a getter that throws', failing(new Error('no'))],
  ])('skips %s and checks the next place', (_given, kept) => {
    expect(findKeptBody([kept], length)).toBeUndefined()
    expect(findKeptBody([kept, () => bytes], length)).toHaveLength(bytes.byteLength)
  })

  it.each<[string, string | Uint8Array]>([
    ['empty, to be filled later', ''],
    ['truncated', bytes.subarray(0, -1)],
    ['decoded as latin1', bytes.toString('latin1')],
    ['stripped of its byte order mark', body],
  ])('does not mistake a copy for the body that is %s', (damage, copy) => {
    const declared = damage.startsWith('stripped') ? bytes.byteLength + 3 : bytes.byteLength
    expect(findKeptBody([() => copy], String(declared))).toBeUndefined()
  })

  it('accepts an empty copy only of an empty body', () => {
    expect(findKeptBody([() => ''], '0')).toHaveLength(0)
    expect(findKeptBody([() => ''], undefined)).toBeUndefined()
  })

  it('accepts any other copy of a body whose length was not declared', () => {
    expect(findKeptBody([() => bytes], undefined)).toHaveLength(bytes.byteLength)
  })

  it.each(['', 'x', '1e9', null])('accepts no copy if the declared length is malformed: %o', (declared) => {
    expect(findKeptBody([() => bytes], declared)).toBeUndefined()
  })
})

function requestWith(body: string | ReadableStream): Request {
  return new Request('https://shop.example/', { method: 'POST', body, duplex: 'half' } as RequestInit)
}

function streamOf(chunks: readonly Uint8Array[], cancel = vi.fn()): ReadableStream<Uint8Array> {
  let next = 0
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[next]
      next += 1
      if (chunk === undefined) controller.close()
      else controller.enqueue(chunk)
    },
    cancel,
  })
}

const limits = { maxBytes: 100_000 }

describe('readWebBody', () => {
  it('reports a disconnected client if the server ends the stream early', async () => {
    const request = new Request('https://shop.example', {
      method: 'POST',
      body: 'half',
      headers: { 'content-length': '8' },
    })
    await expect(readWebBody(request, { maxBytes: 10 })).rejects.toMatchObject({ code: 'body_aborted' })
  })

  it.each<[string, string]>([
    ['a body', 'Zürich 🔑'],
    ['an empty body', ''],
  ])('returns the bytes of %s', async (_given, text) => {
    expect(Buffer.from(await readWebBody(requestWith(text), limits)).toString()).toBe(text)
  })

  it('returns no bytes if there is no body', async () => {
    const request = new Request('https://shop.example/', { method: 'POST' })
    expect(await readWebBody(request, limits)).toEqual(new Uint8Array())
  })

  it.each([1, 2, 7, 1024, 40_000])(
    'returns the same bytes in chunks of %d, with empty chunks between',
    async (size) => {
      const bytes = Buffer.from(Array.from({ length: 40_000 }, (_, index) => index % 251))
      const chunks: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size), new Uint8Array())
      expect(Buffer.from(await readWebBody(requestWith(streamOf(chunks)), limits)).equals(bytes)).toBe(true)
    },
  )

  it('holds a body of one-byte chunks in a buffer of at most twice its length', async () => {
    const chunks = Array.from({ length: 5000 }, () => Uint8Array.of(7))
    const bytes = await readWebBody(requestWith(streamOf(chunks)), limits)
    expect(bytes).toHaveLength(5000)
    expect(bytes.buffer.byteLength).toBeLessThanOrEqual(2 * 5000)
  })

  it('does not share memory with the chunks of the stream', async () => {
    const chunk = Uint8Array.of(1, 2, 3)
    const bytes = await readWebBody(requestWith(streamOf([chunk])), limits)
    chunk.fill(0)
    expect([...bytes]).toEqual([1, 2, 3])
  })

  it('accepts a body of exactly maxBytes', async () => {
    const chunks = [new Uint8Array(600), new Uint8Array(400)]
    expect(await readWebBody(requestWith(streamOf(chunks)), { maxBytes: 1000 })).toHaveLength(1000)
  })

  it('refuses a longer body with the limit, and cancels the stream', async () => {
    const cancel = vi.fn()
    const chunks = Array.from({ length: 100 }, () => new Uint8Array(600))
    await expect(readWebBody(requestWith(streamOf(chunks, cancel)), { maxBytes: 1000 })).rejects.toMatchObject({
      code: 'body_too_large',
      maxBytes: 1000,
    })
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it.each<[string, (request: Request) => unknown]>([
    ['was read', (request) => request.text()],
    ['is being read', (request) => request.body?.getReader()],
  ])('refuses a body that %s by other code, with the fix', async (_given, read) => {
    const request = requestWith('text')
    await read(request)
    await expect(readWebBody(request, limits)).rejects.toEqual(
      refusal('raw_body_unavailable', 'Call this handler first, or read a clone() of the request instead.'),
    )
  })

  it('names the fix of the host if it has one', async () => {
    const request = requestWith('text')
    await request.text()
    await expect(readWebBody(request, limits, 'Use c.req.raw.')).rejects.toEqual(
      refusal('raw_body_unavailable', 'Use c.req.raw.'),
    )
  })

  it('rejects with the error of the stream', async () => {
    const stream = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
    await expect(readWebBody(requestWith(stream), limits)).rejects.toThrow('reset')
  })
})
