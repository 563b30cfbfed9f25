import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type InboxEvent,
  PermanentError,
  RetryLaterError,
  SchemaMismatchError,
  WebhookError,
} from '@scrapenest-webhooks/core'
import type { InboxCheckDefinition } from '../check-definition.ts'
import { createInboxConsumer } from '../inbox-consumer.ts'
import { createInboxEvent } from '../inbox-event.ts'
import { pause, retrySoon } from '../timing.ts'

/** How handlers run, and the state of an event after each attempt. */
export const attemptChecks: readonly InboxCheckDefinition[] = [
  {
    id: 'I06',
    name: 'MUST pass the handlers what was put, byte for byte',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent({ body: randomBytes(1_048_576), scope: 'tenant', secretIndex: 1 })
      const seen: InboxEvent[] = []
      await inbox.put(event)
      await inbox.start(createInboxConsumer((stored) => seen.push(stored)))
      await context.until(() => seen.length > 0, 'the handler is called')
      const [{ body, ...facts }] = seen as [InboxEvent]
      const { body: sent, ...sentFacts } = event
      assert.ok(Buffer.from(body).equals(sent))
      assert.deepEqual(facts, sentFacts)
    },
  },
  {
    id: 'I07',
    name: 'MUST handle an event once when its handlers succeed, whether it was stored before or after the start',
    async run(context) {
      const inbox = context.open()
      const runs: string[] = []
      const [early, late] = [createInboxEvent(), createInboxEvent()]
      await inbox.put(early)
      await inbox.start(createInboxConsumer((event) => runs.push(event.eventId)))
      await inbox.put(late)
      await context.untilStats(inbox, { done: 2 })
      await pause()
      assert.deepEqual(runs.sort(), [early.eventId, late.eventId].sort())
      const record = await inbox.get(early.eventId)
      assert.equal(record?.attempts, 1)
      context.expectHistory(record, ({ attempt, error }) => ({ attempt, error }), [{ attempt: 1, error: undefined }])
    },
  },
  {
    id: 'I08',
    name: 'MUST leave events ready if its consumer does not process them',
    async run(context) {
      const inbox = context.open()
      await inbox.start({ name: 'scrapenest', report() {} })
      await inbox.put(createInboxEvent())
      await pause()
      await context.expectCounts(inbox, { ready: 1 })
    },
  },
  {
    id: 'I09',
    name: 'MUST retry after a failure, and count the attempts',
    async run(context) {
      const inbox = context.open({ backoff: retrySoon })
      const counted: number[] = []
      const event = createInboxEvent()
      await inbox.start(
        createInboxConsumer((_, { attempt }) => {
          counted.push(attempt)
          if (counted.length < 4)
            throw new WebhookError('handler_failed', undefined, { cause: new Error(`failure ${attempt}`) })
        }),
      )
      await inbox.put(event)
      await context.untilStats(inbox, { done: 1 })
      assert.deepEqual(counted, [1, 2, 3, 4])
      const record = await inbox.get(event.eventId)
      assert.equal(record?.attempts, 4)
      context.expectHistory(record, ({ attempt, error }) => [attempt, error?.code, error?.message], [
        [1, 'handler_failed', 'failure 1'],
        [2, 'handler_failed', 'failure 2'],
        [3, 'handler_failed', 'failure 3'],
        [4, undefined, undefined],
      ])
    },
  },
  {
    id: 'I10',
    name: 'MUST report each failed attempt with what follows, and keep an event as dead after maxAttempts',
    async run(context) {
      const inbox = context.open({ backoff: retrySoon, maxAttempts: 3 })
      const reports: unknown[] = []
      let runs = 0
      const event = createInboxEvent()
      await inbox.start({
        ...createInboxConsumer(() => {
          runs += 1
          throw new WebhookError('handler_failed', undefined, { cause: new Error('always') })
        }),
        report(error, reported, { attempt, maxAttempts, nextAttemptAt } = {}) {
          const { code } = error as { readonly code?: unknown }
          reports.push([code, reported?.eventId, attempt, maxAttempts, nextAttemptAt !== undefined])
        },
      })
      await inbox.put(event)
      await context.untilStats(inbox, { dead: 1 })
      await pause()
      assert.equal(runs, 3)
      const { eventId } = event
      assert.deepEqual(reports, [
        ['handler_failed', eventId, 1, 3, true],
        ['handler_failed', eventId, 2, 3, true],
        ['handler_failed', eventId, 3, 3, false],
        ['event_dead', eventId, 3, 3, false],
      ])
      assert.equal(await inbox.put(event), 'duplicate')
    },
  },
  ...[
    new PermanentError('useless'),
    new SchemaMismatchError('job.created', []),
    new WebhookError('envelope_invalid', 'useless'),
  ].map(
    (error, index): InboxCheckDefinition => ({
      id: `I11.${index + 1}`,
      name: `MUST NOT retry after ${error.code}`,
      async run(context) {
        const inbox = context.open({ backoff: retrySoon })
        const event = createInboxEvent()
        await inbox.start(
          createInboxConsumer(() => {
            throw error
          }),
        )
        await inbox.put(event)
        await context.untilStats(inbox, { dead: 1 })
        const record = await inbox.get(event.eventId)
        assert.equal(record?.attempts, 1)
        assert.equal(record?.history.at(-1)?.error?.code, error.code)
      },
    }),
  ),
  {
    id: 'I12',
    name: 'MUST retry when RetryLaterError says, and not before',
    async run(context) {
      const inbox = context.open({ backoff: retrySoon })
      const event = createInboxEvent()
      const startedAtMs: number[] = []
      await inbox.start(
        createInboxConsumer(() => {
          startedAtMs.push(Date.now())
          if (startedAtMs.length === 1) throw new RetryLaterError('in a second', { retryAfterSeconds: 1 })
        }),
      )
      await inbox.put(event)
      await context.until(() => startedAtMs.length > 0, 'the handler is called')
      // `untilStats` may give up sooner than that.
      await sleep(1000)
      await context.untilStats(inbox, { done: 1 })
      const [first = 0, second = 0] = startedAtMs
      assert.ok(second - first >= 999, `retried after ${second - first} ms`)
    },
  },
  {
    id: 'I13',
    name: 'MUST abort handlers at handlerTimeoutMs, report it, and retry',
    async run(context) {
      const inbox = context.open({ handlerTimeoutMs: 30, graceMs: 1000, backoff: retrySoon })
      const event = createInboxEvent()
      const reports: unknown[] = []
      await inbox.start({
        ...createInboxConsumer(async (_, { attempt, signal }) => {
          if (attempt > 1) return
          await new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () =>
              reject(new WebhookError('handler_failed', undefined, { cause: signal.reason })),
            )
          })
        }),
        report: (error) => reports.push((error as { code?: unknown }).code),
      })
      await inbox.put(event)
      await context.untilStats(inbox, { done: 1 })
      assert.equal((await inbox.get(event.eventId))?.attempts, 2)
      assert.deepEqual(reports, ['handler_failed', 'handler_timeout'])
    },
  },
  {
    id: 'I14',
    name: 'MUST let an overdue handler keep its slot for graceMs only, and ignore its result',
    async run(context) {
      const inbox = context.open({ handlerTimeoutMs: 20, graceMs: 20, concurrency: 1, backoff: () => 60_000 })
      const [stuck, next] = [createInboxEvent(), createInboxEvent()]
      let letGo: () => void = () => {}
      const handled: string[] = []
      await inbox.start(
        createInboxConsumer(async (event) => {
          if (event.eventId === stuck.eventId) {
            await new Promise<void>((resolve) => {
              letGo = resolve
            })
          }
          handled.push(event.eventId)
        }),
      )
      await inbox.put(stuck)
      await inbox.put(next)
      await context.untilStats(inbox, { done: 1, ready: 1 })
      letGo()
      await context.until(() => handled.length === 2, 'both handlers have ended')
      await pause()
      const record = await inbox.get(stuck.eventId)
      assert.equal(record?.state, 'ready')
      context.expectHistory(record, ({ error }) => error?.code, ['handler_timeout'])
    },
  },
  {
    id: 'I15',
    name: 'MUST run at most `concurrency` handlers at a time, and all of them eventually',
    async run(context) {
      const inbox = context.open({ concurrency: 3 })
      let running = 0
      let most = 0
      let letGo: () => void = () => {}
      const gate = new Promise<void>((resolve) => {
        letGo = resolve
      })
      await inbox.start(
        createInboxConsumer(async () => {
          running += 1
          most = Math.max(most, running)
          await gate
          running -= 1
        }),
      )
      await Promise.all(Array.from({ length: 40 }, () => inbox.put(createInboxEvent())))
      await context.until(() => running >= 3, 'three handlers run at a time')
      await pause()
      letGo()
      await context.untilStats(inbox, { done: 40 })
      assert.equal(most, 3)
    },
  },
  {
    id: 'I16',
    name: 'MUST pass each consumer the events of its name, and continue for the others when one closes',
    async run(context) {
      const inbox = context.open()
      const seen: string[] = []
      const consumerOf = (name: string) => createInboxConsumer((event) => seen.push(`${name}:${event.name}`), name)
      const [one, two] = [consumerOf('one'), consumerOf('two')]
      await inbox.start(one)
      await inbox.start(two)
      await inbox.put(createInboxEvent({ name: 'one' }))
      await inbox.put(createInboxEvent({ name: 'two' }))
      await context.untilStats(inbox, { done: 2 })
      await inbox.close({ graceMs: 100, consumer: one })
      await inbox.put(createInboxEvent({ name: 'one' }))
      await inbox.put(createInboxEvent({ name: 'two' }))
      await context.untilStats(inbox, { done: 3, ready: 1 })
      assert.deepEqual(seen.sort(), ['one:one', 'two:two', 'two:two'])
    },
  },
]
