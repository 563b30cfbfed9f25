import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { fromEventJson, toEventJson, withoutPayload } from '../../src/store/event-json.ts'

describe('an event as JSON', () => {
  it.each([
    ['text', Buffer.from('{"a":"ü☂"}')],
    ['text with a byte order mark', Buffer.from('\uFEFF{}')],
    ['text with U+0000, which jsonb refuses', Buffer.from('{"a":"\0"}')],
    ['bytes that are not text', Buffer.from([0xff, 0x00, 0xfe])],
    ['nothing', Buffer.alloc(0)],
    ['a view into a larger buffer', Buffer.from('xx{}xx').subarray(2, 4)],
  ])('keeps the body byte for byte: %s', (_kind, body) => {
    const event = { ...createInboxEvent(), body }
    const stored = JSON.parse(JSON.stringify(toEventJson(event)))
    expect(fromEventJson(stored)).toEqual({ ...event, body: Buffer.from(body) })
  })

  it.each(['\ud800', 'a\udc00b', 'a\0b', '\u{1F511}', 'é', 'x'.repeat(300)])(
    'keeps scope, id and type exactly: %j',
    (text) => {
      const event = { ...createInboxEvent(), scope: text, eventId: text, eventType: `job.${text}` }
      const json = toEventJson(event)
      // jsonb refuses these escapes, and UTF-8 cannot encode lone surrogates.
      expect(JSON.stringify({ ...json, exact: undefined })).not.toMatch(/\\u(0000|d[89a-f])/)
      expect(fromEventJson(JSON.parse(JSON.stringify(json)))).toMatchObject({
        scope: text,
        eventId: text,
        eventType: `job.${text}`,
      })
    },
  )

  it('loses body and headers, and nothing else, with its payload', () => {
    const json = toEventJson(createInboxEvent())
    const { signedHeaders: _headers, body: _body, ...rest } = json
    expect(withoutPayload(json)).toEqual(rest)
  })
})
