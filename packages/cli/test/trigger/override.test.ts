import { describe, expect, it } from 'vitest'
import { applyOverride, parseOverride } from '../../src/trigger/override.ts'

function override(event: object, path: string, text: string): string {
  return JSON.stringify(applyOverride({ ...event }, parseOverride([path, text])))
}

describe('an override', () => {
  it.each([
    [{ data: { status: 'a' } }, 'data.status', 'b', '{"data":{"status":"b"}}'],
    [{ data: { a: 1, b: 2 } }, 'data', '{"c":3}', '{"data":{"c":3}}'],
    [{ data: { a: 1 } }, 'data.meta.region', 'eu', '{"data":{"a":1,"meta":{"region":"eu"}}}'],
    [{ data: { meta: { a: 1 } } }, 'data.meta.region', 'eu', '{"data":{"meta":{"a":1,"region":"eu"}}}'],
    [{}, 'org_slug', 'null', '{"org_slug":null}'],
    [{}, 'data.__proto__.x', '1', '{"data":{"__proto__":{"x":1}}}'],
  ])('of %j sets %s to %s', (event, path, text, expected) => {
    expect(override(event, path, text)).toBe(expected)
    expect(({} as { x?: number }).x).toBeUndefined()
  })

  it.each(['12345678901234567890', '1.10', '-0', '1e400'])('keeps the digits of the number %s', (number) => {
    expect(override({}, 'id', number)).toBe(`{"id":${number}}`)
    expect(override({}, 'data', `{"ids":[${number}]}`)).toBe(`{"data":{"ids":[${number}]}}`)
  })

  it('treats anything that is not JSON as text', () => {
    expect(override({}, 'a', '{broken')).toBe('{"a":"{broken"}')
    expect(override({}, 'a', '0123')).toBe('{"a":"0123"}')
    expect(override({}, 'a', '"12"')).toBe('{"a":"12"}')
  })

  it.each([
    ['data..status', /Expected a field/],
    ['data.tags.0', /tags is not an object/],
    ['data.status.code', /status is not an object/],
  ])('of %s is refused', (path, message) => {
    const event = { data: { status: 'failed', tags: ['a'] } }
    expect(() => override(event, path, '1')).toThrow(
      expect.objectContaining({ name: 'UsageError', message: expect.stringMatching(message) }),
    )
  })
})
