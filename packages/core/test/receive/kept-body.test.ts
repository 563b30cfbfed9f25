import { describe, expect, it } from 'vitest'
import { findKeptBody } from '../../src/adapter.ts'
import { failing } from '../deliveries.ts'

const body = '{"name":"Zürich 🔑"}'
const bytes = Buffer.from(body)
const length = String(bytes.byteLength)

describe('findKeptBody', () => {
  it.each<[string, unknown]>([
    ['a Buffer', bytes],
    ['a Uint8Array', new Uint8Array(bytes)],
    ['another view of bytes', new DataView(Uint8Array.from(bytes).buffer)],
    ['text, which it encodes as UTF-8', body],
  ])('returns the bytes of %s', (_form, kept) => {
    expect(Buffer.from(findKeptBody([() => kept], length) ?? []).toString()).toBe(body)
  })

  it('reads a view from its own offset', () => {
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
  ])('skips %s and takes the next place', (_given, kept) => {
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

  it.each(['', 'x', '1e9', null])('accepts nothing under the malformed length %o', (declared) => {
    expect(findKeptBody([() => bytes], declared)).toBeUndefined()
  })
})
