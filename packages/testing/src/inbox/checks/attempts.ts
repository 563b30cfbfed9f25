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
import { aWhileMs, countsOf, type InboxScenario, soon } from '../bed.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

/** How handlers are run, and what becomes of an event after each attempt. */
export const attempts: readonly InboxScenario[] = [
  {
    id: 'I06',
    name: 'MUST give the handlers what was put, byte for byte',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent({ body: randomBytes(1_048_576), secretIndex: 1 })
      const seen: InboxEvent[] = []
      await inbox.put(event)
      await inbox.start(createInboxConsumer((stored) => seen.push(stored)))
      await bed.until(() => seen.length > 0, 'the handler is called')
      const [{ body, ...facts }] = seen as [InboxEvent]
      const { body: sent, ...sentFacts } = event
      assert.ok(Buffer.from(body).equals(sent))
      assert.deepEqual(facts, sentFacts)
    },
  },
  {
    id: 'I07',
    name: 'MUST handle an event once when its handlers succeed, whether it was stored before the start or after',
    async play(bed) {
      const inbox = bed.open()
      const runs: string[] = []
      const [early, late] = [createInboxEvent(), createInboxEvent()]
      await inbox.put(early)
      await inbox.start(createInboxConsumer((event) => runs.push(event.eventId)))
      await inbox.put(late)
      await bed.untilStats(inbox, { done: 2 })
      await sleep(aWhileMs)
      assert.deepEqual(runs.sort(), [early.eventId, late.eventId].sort())
      const record = await inbox.get(early.eventId)
      assert.equal(record?.attempts, 1)
      bed.expectHistory(record, ({ attempt, error }) => ({ attempt, error }), [{ attempt: 1, error: undefined }])
    },
  },
  {
    id: 'I08',
    name: 'MUST leave events alone where nobody processes',
    async play(bed) {
      const inbox = bed.open()
      await inbox.start({ name: 'scrapenest', report() {} })
      await inbox.put(createInboxEvent())
      await sleep(aWhileMs)
      assert.deepEqual(await countsOf(inbox), { ready: 1, running: 0, done: 0, dead: 0, unhandled: 0 })
    },
  },
  {
    id: 'I09',
    name: 'MUST try again after a failure, and count the attempts',
    async play(bed) {
      const inbox = bed.open({ backoff: soon })
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
      await bed.untilStats(inbox, { done: 1 })
      assert.deepEqual(counted, [1, 2, 3, 4])
      const record = await inbox.get(event.eventId)
      assert.equal(record?.attempts, 4)
      bed.expectHistory(record, ({ attempt, error }) => [attempt, error?.code, error?.message], [
        [1, 'handler_failed', 'failure 1'],
        [2, 'handler_failed', 'failure 2'],
        [3, 'handler_failed', 'failure 3'],
        [4, undefined, undefined],
      ])
    },
  },
  {
    id: 'I10',
    name: 'MUST keep an event as dead after maxAttempts, and tell',
    async play(bed) {
      const inbox = bed.open({ backoff: soon, maxAttempts: 3 })
      const reports: string[] = []
      let runs = 0
      const event = createInboxEvent()
      await inbox.start({
        ...createInboxConsumer(() => {
          runs += 1
          throw new WebhookError('handler_failed', undefined, { cause: new Error('always') })
        }),
        report: (_, reported) => reports.push(String(reported?.eventId)),
      })
      await inbox.put(event)
      await bed.untilStats(inbox, { dead: 1 })
      await sleep(aWhileMs)
      assert.equal(runs, 3)
      assert.deepEqual(reports, [event.eventId])
      assert.equal(await inbox.put(event), 'duplicate')
    },
  },
  ...[
    new PermanentError('no use'),
    new SchemaMismatchError('job.created', []),
    new WebhookError('envelope_invalid', 'no use'),
  ].map(
    (error, index): InboxScenario => ({
      id: `I11.${index + 1}`,
      name: `MUST not try again after ${error.code}`,
      async play(bed) {
        const inbox = bed.open({ backoff: soon })
        const event = createInboxEvent()
        await inbox.start(
          createInboxConsumer(() => {
            throw error
          }),
        )
        await inbox.put(event)
        await bed.untilStats(inbox, { dead: 1 })
        const record = await inbox.get(event.eventId)
        assert.equal(record?.attempts, 1)
        assert.equal(record?.history.at(-1)?.error?.code, error.code)
      },
    }),
  ),
  {
    id: 'I12',
    name: 'MUST try again when RetryLaterError says, and not before',
    async play(bed) {
      const inbox = bed.open({ backoff: soon })
      const event = createInboxEvent()
      const startedAtMs: number[] = []
      await inbox.start(
        createInboxConsumer(() => {
          startedAtMs.push(Date.now())
          if (startedAtMs.length === 1) throw new RetryLaterError('in a second', { retryAfterSeconds: 1 })
        }),
      )
      await inbox.put(event)
      await bed.until(() => startedAtMs.length > 0, 'the handler is called')
      // However short the patience with this engine is, it is patience on top of the second.
      await sleep(1000)
      await bed.untilStats(inbox, { done: 1 })
      const [first = 0, second = 0] = startedAtMs
      assert.ok(second - first >= 999, `tried again after ${second - first} ms`)
    },
  },
  {
    id: 'I13',
    name: 'MUST abort handlers at their time limit, tell, and try again',
    async play(bed) {
      const inbox = bed.open({ handlerTimeoutMs: 30, graceMs: 1000, backoff: soon })
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
      await bed.untilStats(inbox, { done: 1 })
      assert.equal((await inbox.get(event.eventId))?.attempts, 2)
      assert.deepEqual(reports, ['handler_timeout'])
    },
  },
  {
    id: 'I14',
    name: 'MUST let an overdue handler keep its place for graceMs only, and count nothing it does afterwards',
    async play(bed) {
      const inbox = bed.open({ handlerTimeoutMs: 20, graceMs: 20, concurrency: 1, backoff: () => 60_000 })
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
      await bed.untilStats(inbox, { done: 1, ready: 1 })
      letGo()
      await bed.until(() => handled.length === 2, 'both handlers have ended')
      await sleep(aWhileMs)
      const record = await inbox.get(stuck.eventId)
      assert.equal(record?.state, 'ready')
      bed.expectHistory(record, ({ error }) => error?.code, ['handler_timeout'])
    },
  },
  {
    id: 'I15',
    name: 'MUST run no more handlers at a time than concurrency allows, and all of them in the end',
    async play(bed) {
      const inbox = bed.open({ concurrency: 3 })
      let running = 0
      let most = 0
      await inbox.start(
        createInboxConsumer(async () => {
          running += 1
          most = Math.max(most, running)
          await sleep(2)
          running -= 1
        }),
      )
      await Promise.all(Array.from({ length: 40 }, () => inbox.put(createInboxEvent())))
      await bed.untilStats(inbox, { done: 40 })
      assert.equal(most, 3)
    },
  },
  {
    id: 'I16',
    name: 'MUST give each consumer the events of its name, and go on for the others when one closes',
    async play(bed) {
      const inbox = bed.open()
      const seen: string[] = []
      const consumerOf = (name: string) => createInboxConsumer((event) => seen.push(`${name}:${event.name}`), name)
      const [one, two] = [consumerOf('one'), consumerOf('two')]
      await inbox.start(one)
      await inbox.start(two)
      await inbox.put(createInboxEvent({ name: 'one' }))
      await inbox.put(createInboxEvent({ name: 'two' }))
      await bed.untilStats(inbox, { done: 2 })
      await inbox.close({ graceMs: 100, consumer: one })
      await inbox.put(createInboxEvent({ name: 'one' }))
      await inbox.put(createInboxEvent({ name: 'two' }))
      await bed.untilStats(inbox, { done: 3, ready: 1 })
      assert.deepEqual(seen.sort(), ['one:one', 'two:two', 'two:two'])
    },
  },
]
