import { RetryLaterError } from '@scrapenest-webhooks/core'
import { createWorker, type Inbox, type InboxOptions } from '@scrapenest-webhooks/inbox'
import { createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { everyInbox } from './every-inbox.ts'

const numbers: readonly unknown[] = [
  ...[Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, -1e308, -1, -0, 0, 5e-324, 0.5, 1, 60_000],
  ...[2 ** 31 - 1, 2 ** 31, 1e13, 2 ** 53 - 1, 2 ** 53, 1e16, 1e300, 1e308, '5', 5n, {}, []],
]
const options = [
  'concurrency',
  'maxAttempts',
  'handlerTimeoutMs',
  'graceMs',
  'leaseMs',
  'pollIntervalMs',
  'keepDoneMs',
] as const satisfies readonly (keyof InboxOptions)[]

/** Stores the event as the sender would: again, if an engine on a busy machine answers too late. */
async function put(inbox: Inbox, event: ReturnType<typeof createInboxEvent>): Promise<void> {
  await vi.waitFor(() => inbox.put(event), 30_000)
}

describe.each(everyInbox)('an inbox in $name', ({ create, isMissing }) => {
  describe.skipIf(isMissing).each(options)('with any number as %s', (option) => {
    it('is refused with a code, or handles its events', { timeout: 60_000 }, async () => {
      for (const number of numbers) {
        let inbox: Inbox
        try {
          inbox = await create({ [option]: number })
        } catch (error) {
          expect(error, String(number)).toMatchObject({ code: 'configuration_invalid' })
          continue
        }
        // The time limit of handlers may be a millisecond: these take none.
        const worker = createWorker({ inbox, logger: { warn() {}, error() {} }, onEvent: { '*': () => {} } })
        await worker.start()
        await put(inbox, createInboxEvent())
        await untilInboxStats(inbox, { ready: 0, running: 0, dead: 0 }, 30_000)
        await worker.close()
      }
    })
  })

  it.skipIf(isMissing).each(['a RetryLaterError', 'the backoff'])(
    'keeps an event whose delay is any number from %s, handles its neighbors, and replays it',
    async (source) => {
      const delays = new Map<string, unknown>()
      let failing = ''
      const inbox = await create({
        concurrency: 5,
        backoff: () => delays.get(failing) as number,
        leaseMs: 5000,
      })
      const runs = new Map<string, number>()
      const worker = createWorker({
        inbox,
        logger: { warn() {}, error() {} },
        onEvent: {
          'job.created': (event) => {
            const { event_id } = event
            runs.set(event_id, (runs.get(event_id) ?? 0) + 1)
            if (!delays.has(event_id) || runs.get(event_id) !== 1) return
            failing = event_id
            if (source === 'the backoff') throw new Error('once')
            throw Object.assign(new RetryLaterError(), { retryAfterSeconds: delays.get(event_id) })
          },
        },
      })
      onTestFinished(() => worker.close())
      await worker.start()
      let neighbors = 0
      for (const number of numbers) {
        const event = createInboxEvent()
        delays.set(event.eventId, number)
        await put(inbox, event)
        await vi.waitFor(async () => expect((await inbox.get(event.eventId))?.state).toMatch(/ready|done/), 30_000)
        await put(inbox, createInboxEvent())
        neighbors += 1
        await vi.waitFor(async () => expect((await inbox.stats()).done).toBeGreaterThanOrEqual(neighbors), 30_000)
      }
      for (const eventId of delays.keys()) {
        await vi.waitFor(async () => {
          if ((await inbox.get(eventId))?.state !== 'done') await inbox.replay({ eventId })
          expect((await inbox.get(eventId))?.state, String(delays.get(eventId))).toBe('done')
        }, 30_000)
      }
      expect(await inbox.stats()).toMatchObject({ ready: 0, running: 0, dead: 0, done: 2 * numbers.length })
    },
    120_000,
  )
})
