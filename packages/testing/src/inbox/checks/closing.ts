import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebhookError } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import type { InboxCheckDefinition } from '../check-definition.ts'
import { createInboxConsumer } from '../inbox-consumer.ts'
import { createInboxEvent } from '../inbox-event.ts'
import { pause } from '../timing.ts'

/** What `close` waits for and releases, and that an inbox can be restarted. */
export const closingChecks: readonly InboxCheckDefinition[] = [
  {
    id: 'I29',
    name: 'MUST wait for running handlers when it closes, and start no more',
    async run(context) {
      const inbox = context.open({ concurrency: 1 })
      const begun: string[] = []
      let finish: () => void = () => {}
      const finished = new Promise<void>((resolve) => {
        finish = resolve
      })
      await inbox.start(
        createInboxConsumer(async (event) => {
          begun.push(event.eventId)
          await finished
        }),
      )
      await inbox.put(createInboxEvent())
      await inbox.put(createInboxEvent())
      await context.until(() => begun.length > 0, 'the handler is called')
      // Otherwise an inbox that would run both may close before it has claimed the second.
      await pause()
      await context.expectCounts(inbox, { running: 1, ready: 1 })
      const closed = inbox.close({ graceMs: 5000 })
      await pause()
      finish()
      await closed
      assert.equal(begun.length, 1)
      await context.expectCounts(inbox, { ready: 1, done: 1 })
    },
  },
  {
    id: 'I30',
    name: 'MUST abort unfinished handlers shortly before graceMs ends, and release their events without counting the attempt',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      const signals: AbortSignal[] = []
      await inbox.start(
        createInboxConsumer(async (_, { signal }) => {
          signals.push(signal)
          await new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () =>
              reject(new WebhookError('handler_failed', undefined, { cause: signal.reason })),
            )
          })
        }),
      )
      await inbox.put(event)
      // The stats may count the event as running before its handler is called.
      await context.until(() => signals.length === 1, 'the handler is called')
      await inbox.close({ graceMs: 1000 })
      assert.deepEqual(signals.map(codeOfAbort), ['receiver_closing'])
      // On a busy machine, the record may be written only after `close` has stopped waiting for it.
      await context.untilStats(inbox, { ready: 1, running: 0 })
      assert.equal((await inbox.get(event.eventId))?.attempts, 0)
    },
  },
  {
    id: 'I31',
    name: 'MUST tolerate repeated start and close, and work after a restart',
    async run(context) {
      const inbox = context.open()
      await Promise.all([inbox.close(), inbox.close()])
      await inbox.put(createInboxEvent())
      const consumer = createInboxConsumer(() => {})
      await Promise.all([inbox.start(consumer), inbox.start(consumer)])
      await context.untilStats(inbox, { done: 1 })
      await inbox.close()
      await inbox.start(consumer)
      await inbox.put(createInboxEvent())
      await context.untilStats(inbox, { done: 2 })
    },
  },
  {
    id: 'I37',
    name: 'MUST close within graceMs, and release the event of a handler that ignores its signal',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      const handler = hangingHandler()
      await inbox.start(createInboxConsumer(handler.handle))
      await inbox.put(event)
      await context.until(() => handler.signals.length === 1, 'the handler is called')
      await inTime(inbox.close({ graceMs: budgetMs })).finally(handler.end)
      assert.deepEqual(handler.signals.map(codeOfAbort), ['receiver_closing'])
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.state, record?.attempts], ['ready', 0])
    },
  },
  {
    id: 'I38',
    name: 'MUST close sooner when closed again with a shorter graceMs',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      const handler = hangingHandler()
      const consumer = createInboxConsumer(handler.handle)
      await inbox.start(consumer)
      await inbox.put(event)
      await context.until(() => handler.signals.length === 1, 'the handler is called')
      const [first, second] = [Number.POSITIVE_INFINITY, budgetMs].map((graceMs) => inbox.close({ graceMs, consumer }))
      await inTime(Promise.all([first, second])).finally(handler.end)
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.state, record?.attempts], ['ready', 0])
    },
  },
]

/** The inbox leaves half a second of it to record what it releases. */
const budgetMs = 2000
const toleranceMs = 800

/** Rejects when closing takes longer than the budget. */
async function inTime(closing: Promise<unknown>): Promise<void> {
  const late = new AbortController()
  // Starts after the timers of the inbox, so that a busy machine delays both alike.
  const isLate = sleep(budgetMs + toleranceMs, true, { signal: late.signal })
  const wasLate = await Promise.race([closing.then(() => false), isLate]).finally(() => late.abort())
  assert.ok(!wasLate, `Expected the inbox to close within ${budgetMs} ms, but it took over ${toleranceMs} ms more.`)
}

interface HangingHandler {
  /** Ignores its signal. */
  readonly handle: InboxProcessor
  /** The signal of each run. */
  readonly signals: readonly AbortSignal[]
  end(): void
}

function hangingHandler(): HangingHandler {
  const signals: AbortSignal[] = []
  let end: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return {
    handle: async (_event, { signal }) => {
      signals.push(signal)
      await ended
      return 'handled'
    },
    signals,
    end: () => end(),
  }
}

function codeOfAbort({ reason }: AbortSignal): unknown {
  return (reason as { readonly code?: unknown } | undefined)?.code
}
