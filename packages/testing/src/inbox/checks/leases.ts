import assert from 'node:assert/strict'
import { type InboxConsumer, PermanentError } from '@scrapenest-webhooks/core'
import type { Inbox } from '@scrapenest-webhooks/inbox'
import { type FakeClock, fakeClock } from '../../fake-clock.ts'
import type { InboxCheckContext } from '../check-context.ts'
import type { InboxCheckDefinition } from '../check-definition.ts'
import { createInboxConsumer } from '../inbox-consumer.ts'
import { createInboxEvent } from '../inbox-event.ts'
import { pause } from '../timing.ts'

const leaseMs = 60_000

/** Which attempt may end an event: the one that holds its lease. */
export const leaseChecks: readonly InboxCheckDefinition[] = [
  {
    id: 'I17',
    name: 'MUST start another attempt when a lease ends, and let only that one complete the event',
    async run(context) {
      const { clock, stalled, other } = openTwo(context)
      const event = createInboxEvent()
      const { consumer, runs } = hangingConsumer(event.eventId)
      await stalled.start(consumer)
      await stalled.put(event)
      await context.until(() => runs.length === 1, 'the handler is called')
      clock.advance(leaseMs + 1)
      await other.start({ ...consumer })
      await context.until(() => runs.length === 2, 'the handler is called again, after its lease ended')
      runs[0]?.succeed()
      await pause()
      const running = await other.get(event.eventId)
      assert.deepEqual([running?.state, running?.attempts], ['running', 2])
      runs[1]?.fail(new PermanentError('useless'))
      await context.untilStats(other, { dead: 1 })
      context.expectHistory(await other.get(event.eventId), ({ attempt, error }) => [attempt, error?.code], [
        [1, 'lease_ended'],
        [2, 'permanent_failure'],
      ])
    },
  },
  {
    id: 'I18',
    name: 'MUST report each lease that ends, and keep an event as dead after maxAttempts of them',
    async run(context) {
      const { clock, stalled, other } = openTwo(context)
      const event = createInboxEvent()
      const { consumer, runs } = hangingConsumer(event.eventId)
      const reports: unknown[] = []
      const report: typeof consumer.report = (error, reported) => {
        reports.push([(error as { readonly code?: unknown }).code, reported?.eventId])
      }
      await stalled.start({ ...consumer, report })
      await stalled.put(event)
      await context.until(() => runs.length === 1, 'the handler is called')
      clock.advance(leaseMs + 1)
      await other.start({ ...consumer, report })
      await context.until(() => runs.length === 2, 'the handler is called for attempt 2')
      clock.advance(leaseMs + 1)
      // Wakes the stalled inbox, which does not run attempt 2.
      await stalled.put(createInboxEvent())
      await context.untilStats(stalled, { dead: 1, done: 1 })
      const record = await stalled.get(event.eventId)
      assert.deepEqual([runs.length, record?.attempts, record?.history.at(-1)?.error?.code], [2, 2, 'lease_ended'])
      const { eventId } = event
      assert.deepEqual(reports, [
        ['lease_ended', eventId],
        ['lease_ended', eventId],
        ['event_dead', eventId],
      ])
    },
  },
  {
    id: 'I19',
    name: 'MUST ignore what a handler does after its event was released',
    async run(context) {
      const inbox = context.open({ maxAttempts: 2 })
      const event = createInboxEvent()
      const { consumer, runs } = hangingConsumer(event.eventId)
      await inbox.put(event)
      await inbox.start(consumer)
      await context.until(() => runs.length === 1, 'the handler is called')
      await inbox.close({ graceMs: 0 })
      await inbox.start(consumer)
      await context.until(() => runs.length === 2, 'the handler is called again, after a restart')
      runs[0]?.succeed()
      await pause()
      assert.equal((await inbox.get(event.eventId))?.state, 'running')
      runs[1]?.fail(new PermanentError('useless'))
      await context.untilStats(inbox, { dead: 1, done: 0 })
      assert.equal((await inbox.get(event.eventId))?.attempts, 1)
    },
  },
]

/** Two inboxes on the same storage, as in two processes. Advancing the clock ends leases as if their process had stalled. */
function openTwo(context: InboxCheckContext): {
  readonly clock: FakeClock
  readonly stalled: Inbox
  readonly other: Inbox
} {
  context.require('canTakeClock')
  context.require('isShared')
  const clock = fakeClock()
  const options = { now: clock.now, leaseMs, backoff: () => 0, maxAttempts: 2 }
  return { clock, stalled: context.open(options), other: context.open(options) }
}

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
