import { describe, expect, it } from 'vitest'
import { eventKey, keyText } from '../../src/handle/event-key.ts'

const ids = [
  'evt_1',
  '',
  '/',
  '#',
  'a/b',
  'a#b',
  '//',
  '["",""]',
  '["a","b"]',
  'sha256:',
  keyText('\ud800'),
  '\ud800',
  '\ud801',
  '\udc00',
  '\ufffd',
  '\ud83d\udd11',
  'a\0',
  'a\0b',
  'a',
  'é',
  'e\u0301',
  'x'.repeat(256),
  'x'.repeat(257),
  'x'.repeat(258),
  'x'.repeat(1_000_000),
]

describe('the key of an event', () => {
  it('contains the id in readable form', () => {
    expect(eventKey({ name: 'orders', eventId: 'evt_1' })).toBe('orders/evt_1')
  })

  it('differs for every name, scope and id', () => {
    const identities = ['a', 'b'].flatMap((name) =>
      ids.flatMap((eventId) => ids.map((scope) => ({ name, scope, eventId }))),
    )
    expect(new Set(identities.map(eventKey)).size).toBe(identities.length)
  })

  it('is short, well-formed text without U+0000, whatever the id', () => {
    for (const eventId of ids) {
      for (const scope of ids) {
        const key = eventKey({ name: 'n'.repeat(64), scope, eventId })
        expect(key.length).toBeLessThanOrEqual(400)
        expect(key).not.toMatch(/[\0\p{Surrogate}]/u)
      }
    }
  })

  it('is the same without a scope and with an empty scope', () => {
    expect(eventKey({ name: 'a', scope: '', eventId: 'b' })).toBe(eventKey({ name: 'a', eventId: 'b' }))
  })
})
