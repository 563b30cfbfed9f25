import { describe, expect, it } from 'vitest'
import { withPage } from '../../src/adapter.ts'
import type { WebhookHeaders } from '../../src/index.ts'
import { collectHeaders } from '../../src/verify/headers.ts'
import { failing } from '../deliveries.ts'

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
  ])('collects the headers this library reads from %s, in any case', (_form, headers) => {
    expect(collectHeaders(headers)).toEqual(expected)
  })

  it.each([['svix-id', 'msg_1'], [[]], [7], [[7, 7]]])('finds nothing in %o and does not throw', (...headers) => {
    expect(collectHeaders(headers as unknown as WebhookHeaders)).toEqual({})
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['a string', 'svix-id: msg_1'],
    ['a getter that throws', Object.defineProperty({}, 'svix-id', { get: failing(new TypeError()), enumerable: true })],
    ['a proxy that throws', new Proxy({}, { has: failing(new TypeError()) })],
    ['an iterator that throws', { [Symbol.iterator]: () => ({ next: failing(new TypeError()) }) }],
  ])('assumes a body if it cannot read the headers: %s', (_form, headers) => {
    expect(collectHeaders(headers as WebhookHeaders)).toEqual({ 'transfer-encoding': expect.any(TypeError) })
  })

  it('names the header that has a list of values', () => {
    expect(() => collectHeaders({ 'Svix-Id': ['msg_1', 'msg_1'] })).toThrow(
      expect.objectContaining({
        code: 'duplicate_header',
        header: 'svix-id',
        message: withPage('A header that must be unique was sent more than once. Header: svix-id.', 'duplicate_header'),
      }),
    )
  })

  it('skips undefined, null and empty lists', () => {
    const headers = { 'svix-id': undefined, 'svix-timestamp': null, 'svix-signature': undefined, 'webhook-id': [] }
    expect(collectHeaders(headers as unknown as WebhookHeaders)).toEqual({})
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 7],
    ['an object as long as a name', [{ length: 'svix-id'.length }, 'msg_2']],
    ['a list as the name', [['svix-id'], 'msg_2']],
    ['a pair of undefined', ['svix-id', undefined]],
    ['a pair of null', ['svix-id', null]],
  ])('skips %s among the pairs', (_what, odd) => {
    expect(collectHeaders([odd, ...pairs] as unknown as WebhookHeaders)).toEqual(expected)
  })

  it('joins a list of signatures and skips entries that are not strings', () => {
    const headers = { 'svix-signature': ['v1,a', Symbol('b'), 'v1,c'] }
    expect(collectHeaders(headers as unknown as WebhookHeaders)).toEqual({ 'svix-signature': 'v1,a v1,c' })
  })

  it('rejects a name in two spellings with different values, and accepts one value in two spellings', () => {
    const twice = (second: string): WebhookHeaders => [
      ['svix-id', 'msg_1'],
      ['Svix-Id', second],
    ]
    expect(() => collectHeaders(twice('msg_2'))).toThrow(
      expect.objectContaining({ code: 'duplicate_header', header: 'svix-id' }),
    )
    expect(collectHeaders(twice('msg_1'))).toEqual({ 'svix-id': 'msg_1' })
  })

  it('keeps the first of several content types, which no signature covers', () => {
    expect(collectHeaders({ 'content-type': ['text/plain', 'application/json'] })).toEqual({
      'content-type': 'text/plain',
    })
    const pairs: WebhookHeaders = [
      ['content-type', 'application/json'],
      ['Content-Type', 'text/plain'],
    ]
    expect(collectHeaders(pairs)).toEqual({ 'content-type': 'application/json' })
  })
})
