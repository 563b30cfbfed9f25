import { createReceiver } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery, untilInboxStats } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { everyInbox } from './every-inbox.ts'

/** Ids that a key, a pattern, a script, a text encoding or a database could confuse. */
const ids: readonly string[] = [
  ...[
    '/',
    '//',
    '#',
    'a/b',
    'a#b',
    ':',
    'a:b',
    '::',
    '{a}',
    '{',
    '}',
    '*',
    '?',
    '[a-z]',
    '%',
    '_',
    '%s',
    '\\',
    '\\0',
    '"',
  ],
  ...[
    "'; DROP TABLE events; --",
    '$1',
    '`x`',
    '__proto__',
    'constructor',
    'toString',
    'null',
    'undefined',
    'NaN',
    'true',
  ],
  ...[
    '0',
    '00',
    '-0',
    '1e3',
    '9007199254740993',
    ' ',
    ' a',
    'a ',
    'a',
    'A',
    'a\n',
    'a\r\n',
    'a\t',
    'a\0',
    'a\0b',
    '\ufeffa',
  ],
  ...['\ud800', '\ud801', '\udc00', '\ufffd', '\ud83d\udd11', 'é', 'e\u0301', '\u202ea', 'sha256:', '["a","b"]'],
  ...['0b6f3c1e-0000-4000-8000-000000000001', '8000-000000000001', '0B6F3C1E-0000-4000-8000-000000000001'],
  ...['x'.repeat(256), 'x'.repeat(257), 'x'.repeat(100_000)],
]

describe.each(everyInbox)('an inbox in $name', ({ create, isMissing }) => {
  it.skipIf(isMissing)(
    'stores, finds and handles each event under its own id, whatever the id',
    async () => {
      const secret = generateSecret()
      const inbox = await create({ concurrency: 5 })
      const handled: string[] = []
      const receiver = createReceiver({
        secret,
        inbox,
        onEvent: { '*': ({ event_id }) => void handled.push(event_id) },
      })
      onTestFinished(() => receiver.close())
      await receiver.start()
      for (const event_id of ids) {
        const { method, headers, body } = signDelivery({ ...createEvent('job.created'), event_id }, { secret })
        // Retries as the sender does, because an engine on a busy machine may answer too late.
        await vi.waitFor(async () => {
          expect(await receiver.receive({ method, headers, body: async () => body })).toMatchObject({ status: 202 })
        }, 30_000)
      }
      await untilInboxStats(inbox, { ready: 0, running: 0, done: ids.length }, 60_000)
      expect(handled.sort()).toEqual([...ids].sort())
      for (const eventId of ids) {
        const record = await inbox.get(eventId)
        expect(record?.eventId === eventId && record.state, JSON.stringify(eventId.slice(0, 300))).toBe('done')
      }
    },
    90_000,
  )
})
