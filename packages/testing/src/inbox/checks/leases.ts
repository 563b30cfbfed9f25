import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type InboxConsumer, PermanentError } from '@scrapenest-webhooks/core'
import { fakeClock } from '../../fake-clock.ts'
import { aWhileMs, type InboxScenario } from '../bed.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

const leaseMs = 60_000

/** Who may say how an attempt ended: the one that has the event, and nobody that had it before. */
export const leases: readonly InboxScenario[] = [
  {
    id: 'I17',
    name: 'MUST give an event whose lease has ended to another attempt, and let only that one complete it',
    async play(bed) {
      bed.needs('canTakeClock')
      const clock = fakeClock()
      const inbox = bed.open({ now: clock.now, leaseMs, backoff: () => 0, maxAttempts: 2 })
      const event = createInboxEvent()
      const { consumer, runs } = hangingConsumer(event.eventId)
      await inbox.start(consumer)
      await inbox.put(event)
      await bed.until(() => runs.length === 1, 'the handler is called')
      // As if this process had been blocked for longer than its lease.
      clock.advance(leaseMs + 1)
      // An inbox may look again only when there is a reason to.
      await inbox.put(createInboxEvent())
      await bed.until(() => runs.length === 2, 'the handler is called again, after the end of its lease')
      runs[0]?.succeed()
      await sleep(aWhileMs)
      const running = await inbox.get(event.eventId)
      assert.deepEqual([running?.state, running?.attempts], ['running', 2])
      runs[1]?.fail(new PermanentError('no use'))
      await bed.untilStats(inbox, { dead: 1, done: 1 })
      bed.expectHistory(await inbox.get(event.eventId), ({ attempt, error }) => [attempt, error?.code], [
        [1, 'lease_ended'],
        [2, 'permanent_failure'],
      ])
    },
  },
  {
    id: 'I18',
    name: 'MUST bury an event whose lease has ended maxAttempts times, and tell',
    async play(bed) {
      bed.needs('canTakeClock')
      const clock = fakeClock()
      const inbox = bed.open({ now: clock.now, leaseMs, backoff: () => 0, maxAttempts: 2 })
      const event = createInboxEvent()
      const { consumer, runs } = hangingConsumer(event.eventId)
      const reports: string[] = []
      await inbox.start({ ...consumer, report: (_, reported) => reports.push(String(reported?.eventId)) })
      await inbox.put(event)
      for (const attempt of [1, 2]) {
        await bed.until(() => runs.length === attempt, `the handler is called for attempt ${attempt}`)
        clock.advance(leaseMs + 1)
        await inbox.put(createInboxEvent())
      }
      await bed.untilStats(inbox, { dead: 1, done: 2 })
      const record = await inbox.get(event.eventId)
      assert.deepEqual([runs.length, record?.attempts, record?.history.at(-1)?.error?.code], [2, 2, 'lease_ended'])
      assert.deepEqual(reports, [event.eventId])
    },
  },
  {
    id: 'I19',
    name: 'MUST count nothing that a handler does after its event was given back',
    async play(bed) {
      const inbox = bed.open({ maxAttempts: 2 })
      const event = createInboxEvent()
      const { consumer, runs } = hangingConsumer(event.eventId)
      await inbox.put(event)
      await inbox.start(consumer)
      await bed.until(() => runs.length === 1, 'the handler is called')
      await inbox.close({ graceMs: 0 })
      await inbox.start(consumer)
      await bed.until(() => runs.length === 2, 'the handler is called again, after a new start')
      runs[0]?.succeed()
      await sleep(aWhileMs)
      assert.equal((await inbox.get(event.eventId))?.state, 'running')
      runs[1]?.fail(new PermanentError('no use'))
      await bed.untilStats(inbox, { dead: 1, done: 0 })
      assert.equal((await inbox.get(event.eventId))?.attempts, 1)
    },
  },
]

interface Run {
  succeed(): void
  fail(error: Error): void
}

/** A consumer whose handler of one event ignores its signal and hangs until the test ends the run. */
function hangingConsumer(eventId: string): { readonly consumer: InboxConsumer; readonly runs: readonly Run[] } {
  const runs: Run[] = []
  const consumer = createInboxConsumer(async (event) => {
    if (event.eventId !== eventId) return
    await new Promise<void>((succeed, fail) => runs.push({ succeed, fail }))
  })
  return { consumer, runs }
}
