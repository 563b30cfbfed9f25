import { describe, expect, it } from 'vitest'
import type { WebhookRequest } from '../../src/index.ts'
import { checkBodyHeaders, isJson, loggerOf, mustCloseIfUnread, remoteAddressOf } from '../../src/receive/request.ts'
import { answer, deliver, failing, recordingLogger, refusal, testReceiver } from '../deliveries.ts'

describe('checkBodyHeaders', () => {
  it.each(['', 'identity', 'IDENTITY'])('accepts the content-encoding %j, which is none', async (encoding) => {
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

  it('is the only one that closes it', async () => {
    expect((await testReceiver().receive(deliver('hello'))).headers).not.toHaveProperty('connection')
  })
})

describe('what a host tells about a request', () => {
  it('is its address and its logger', () => {
    const logger = recordingLogger()
    const request = deliver(undefined, { logger, remoteAddress: '192.0.2.1' })
    expect([remoteAddressOf(request), loggerOf(request)]).toEqual(['192.0.2.1', logger])
  })

  it.each(['', undefined])('is no address where it is %o', (remoteAddress) => {
    expect(remoteAddressOf(deliver(undefined, { remoteAddress }))).toBeUndefined()
  })

  it('is nothing where a getter throws', () => {
    const request = Object.defineProperties(deliver(), {
      remoteAddress: { get: failing(new Error('no')) },
      logger: { get: failing(new Error('no')) },
    })
    expect([remoteAddressOf(request), loggerOf(request)]).toEqual([undefined, undefined])
  })
})
