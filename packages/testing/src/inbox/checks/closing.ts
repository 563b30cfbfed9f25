import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebhookError } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import { aWhileMs, countsOf, type InboxScenario } from '../bed.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

/** What `close` waits for and gives back, and that an inbox can be started again. */
export const closing: readonly InboxScenario[] = [
  {
    id: 'I29',
    name: 'MUST wait for running handlers when it closes, and start no more',
    async play(bed) {
      const inbox = bed.open({ concurrency: 1 })
      const begun: string[] = []
      await inbox.start(
        createInboxConsumer(async (event) => {
          begun.push(event.eventId)
          await sleep(10 * aWhileMs)
        }),
      )
      await inbox.put(createInboxEvent())
      await inbox.put(createInboxEvent())
      await bed.until(() => begun.length > 0, 'the handler is called')
      await sleep(aWhileMs)
      await inbox.close({ graceMs: 5000 })
      assert.equal(begun.length, 1)
      assert.deepEqual(await countsOf(inbox), { ready: 1, running: 0, done: 1, dead: 0, unhandled: 0 })
    },
  },
  {
    id: 'I30',
    name: 'MUST abort what is not done shortly before graceMs is over, and give its event back without counting the attempt',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      let reason: unknown
      await inbox.start(
        createInboxConsumer(async (_, { signal }) => {
          await new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reason = signal.reason
              reject(new WebhookError('handler_failed', undefined, { cause: signal.reason }))
            })
          })
        }),
      )
      await inbox.put(event)
      await bed.untilStats(inbox, { running: 1 })
      await inbox.close({ graceMs: 1000 })
      assert.equal((reason as { code?: string } | undefined)?.code, 'receiver_closing')
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.state, record?.attempts], ['ready', 0])
    },
  },
  {
    id: 'I31',
    name: 'MUST be closed as often as one likes, and start again',
    async play(bed) {
      const inbox = bed.open()
      await Promise.all([inbox.close(), inbox.close()])
      await inbox.put(createInboxEvent())
      const consumer = createInboxConsumer(() => {})
      await Promise.all([inbox.start(consumer), inbox.start(consumer)])
      await bed.untilStats(inbox, { done: 1 })
      await inbox.close()
      await inbox.start(consumer)
      await inbox.put(createInboxEvent())
      await bed.untilStats(inbox, { done: 2 })
    },
  },
  {
    id: 'I37',
    name: 'MUST close within graceMs, giving back what a handler that ignores its signal has not done',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      const handler = hangingHandler()
      await inbox.start(createInboxConsumer(handler.handle))
      await inbox.put(event)
      await bed.until(() => handler.signals.length === 1, 'the handler is called')
      await inTime(inbox.close({ graceMs: budgetMs })).finally(handler.end)
      assert.deepEqual(handler.signals.map(codeOfAbort), ['receiver_closing'])
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.state, record?.attempts], ['ready', 0])
    },
  },
  {
    id: 'I38',
    name: 'MUST close sooner when it is closed again with a shorter graceMs',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      const handler = hangingHandler()
      const consumer = createInboxConsumer(handler.handle)
      await inbox.start(consumer)
      await inbox.put(event)
      await bed.until(() => handler.signals.length === 1, 'the handler is called')
      const [first, second] = [Number.POSITIVE_INFINITY, budgetMs].map((graceMs) => inbox.close({ graceMs, consumer }))
      await inTime(Promise.all([first, second])).finally(handler.end)
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.state, record?.attempts], ['ready', 0])
    },
  },
]

/** Leaves half a second for what is given back to be recorded. */
const budgetMs = 2000
const toleranceMs = 800

/** Rejects when closing takes longer than the budget. */
async function inTime(closing: Promise<unknown>): Promise<void> {
  const late = new AbortController()
  // Begins after the timers of the inbox, so that a busy machine delays both alike.
  const isLate = sleep(budgetMs + toleranceMs, true, { signal: late.signal })
  const wasLate = await Promise.race([closing.then(() => false), isLate]).finally(() => late.abort())
  assert.ok(!wasLate, `Expected to be closed within ${budgetMs} ms; it took ${toleranceMs} ms more.`)
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
