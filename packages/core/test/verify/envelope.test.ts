import { describe, expect, it } from 'vitest'
import { withPage } from '../../src/adapter.ts'
import { parseEnvelope } from '../../src/verify/envelope.ts'
import { eventOf, refusal, thrownBy } from '../deliveries.ts'

const parse = (text: string | Uint8Array) => parseEnvelope(Buffer.from(text as string), 'msg_1')

describe('parseEnvelope', () => {
  it('returns the event with every field as sent', () => {
    const event = { ...eventOf('job.created'), something_new: [1] }
    expect(parse(JSON.stringify(event))).toEqual(event)
  })

  it.each(['[', '{"a":'])('accepts 512 levels of %j and refuses one more', (open) => {
    const close = open === '[' ? ']' : '}'
    const nested = (levels: number): string =>
      `{"event_type":"job.created","data":${open.repeat(levels - 1)}1${close.repeat(levels - 1)}}`
    expect(() => parse(nested(512))).not.toThrow()
    expect(() => parse(nested(513))).toThrow(refusal('envelope_invalid', '512 levels'))
    expect(() => parse(nested(200_000))).toThrow(refusal('envelope_invalid', '512 levels'))
    expect(() => parse(nested(200_000).replace('job', '\\u006aob'))).toThrow(refusal('envelope_invalid', '512 levels'))
  })

  it.each([
    ['absent', {}],
    ['empty', { event_id: '' }],
    ['not a string', { event_id: 7 }],
  ])('uses the message id where event_id is %s', (_given, fields) => {
    expect(parse(JSON.stringify({ event_type: 'job.created', ...fields }))).toMatchObject({ event_id: 'msg_1' })
  })

  it.each([
    ['nothing', '', 'not JSON'],
    ['text', 'hello', 'not JSON'],
    ['half an object', '{"event_type":"job.created"', 'not JSON'],
    ['null', 'null', 'not a JSON object'],
    ['a list', '[{"event_type":"job.created"}]', 'not a JSON object'],
    ['a string', '"job.created"', 'not a JSON object'],
    ['no type', '{}', 'no event_type'],
    ['an empty type', '{"event_type":""}', 'no event_type'],
    ['a type that is not a string', '{"event_type":["job.created"]}', 'no event_type'],
    ['a type in __proto__', '{"__proto__":{"event_type":"job.created"}}', 'no event_type'],
  ])('refuses %s', (_given, text, problem) => {
    expect(() => parse(text)).toThrow(refusal('envelope_invalid', problem))
  })

  it.each([
    ['an invalid byte', [0xff]],
    ['a character cut in half', [0xf0, 0x9f, 0x94]],
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
  ])('refuses %s and keeps the reason as the cause', (_given, bytes) => {
    const body = Buffer.concat([Buffer.from('{"event_type":"'), Buffer.from(bytes), Buffer.from('"}')])
    expect(() => parse(body)).toThrow(
      expect.objectContaining({
        code: 'envelope_invalid',
        message: expect.stringContaining('not UTF-8'),
        cause: expect.any(TypeError),
      }),
    )
  })

  it('does not quote the text it cannot parse, and keeps no error that does', () => {
    const error = thrownBy(() => parse('https://artifacts.example/page?signature=credential'))
    expect(error).toMatchObject({
      code: 'envelope_invalid',
      message: withPage('The signature matches, but the body is not an event. It is not JSON.', 'envelope_invalid'),
    })
    expect(error).not.toHaveProperty('cause')
  })

  it('drops __proto__ at every depth, and no similar name', () => {
    const event = parse(
      '{"event_type":"t","event_id":"e","data":{"list":[{"__proto__":1,"a":"\\u0050"}],"__proto":2,"t":"__proto__"}}',
    )
    expect(event.data).toEqual({ list: [{ a: 'P' }], __proto: 2, t: '__proto__' })
    expect(Object.getPrototypeOf(event.data)).toBe(Object.prototype)
    expect(JSON.stringify(event)).not.toContain('"__proto__":')
  })
})
