import assert from 'node:assert/strict'
import { PermanentError, WebhookError } from '@scrapenest-webhooks/core'
import type { DispatchResult } from '@scrapenest-webhooks/core/adapter'
import type { InboxCheckDefinition } from '../check-definition.ts'
import { createInboxConsumer } from '../inbox-consumer.ts'
import { createInboxEvent } from '../inbox-event.ts'
import { pause, retrySoon } from '../timing.ts'

/** What `replay` and `purge` do to done and dead events. */
export const replayingChecks: readonly InboxCheckDefinition[] = [
  {
    id: 'I20',
    name: 'MUST mark an event without a handler as unhandled, keep its body, and handle it when it is replayed',
    async run(context) {
      const inbox = context.open({ keepPayload: false })
      const event = createInboxEvent()
      let result: DispatchResult = 'unhandled'
      await inbox.start({ ...createInboxConsumer(() => {}), process: async () => result })
      await inbox.put(event)
      await context.untilStats(inbox, { done: 1, unhandled: 1 })
      assert.equal((await inbox.get(event.eventId))?.isUnhandled, true)
      result = 'handled'
      assert.deepEqual(await inbox.replay({ eventId: event.eventId }), { replayed: 1, withoutPayload: 0 })
      await context.untilStats(inbox, { done: 1, unhandled: 0 })
    },
  },
  {
    id: 'I21',
    name: 'MUST handle a dead event again when it is replayed, with no attempt counted',
    async run(context) {
      const inbox = context.open({ backoff: retrySoon, maxAttempts: 2 })
      const counted: number[] = []
      const event = createInboxEvent()
      let isFixed = false
      await inbox.start(
        createInboxConsumer((_, { attempt }) => {
          counted.push(attempt)
          if (!isFixed) throw new WebhookError('handler_failed', undefined, { cause: new Error('broken') })
        }),
      )
      await inbox.put(event)
      await context.untilStats(inbox, { dead: 1 })
      isFixed = true
      assert.equal((await inbox.replay({ state: 'dead' })).replayed, 1)
      await context.untilStats(inbox, { done: 1 })
      assert.deepEqual(counted, [1, 2, 1])
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.replays, record?.attempts], [1, 1])
      context.expectHistory(record, ({ replay, attempt }) => [replay, attempt], [
        [0, 1],
        [0, 2],
        [1, 1],
      ])
    },
  },
  {
    id: 'I22',
    name: 'MUST replay the events that the filter selects, and none that is waiting',
    async run(context) {
      const inbox = context.open()
      const [job, artifact] = [createInboxEvent(), createInboxEvent({ eventType: 'artifact.ready' })]
      const runs: string[] = []
      await inbox.put(job)
      await inbox.put(artifact)
      assert.equal((await inbox.replay({ eventId: job.eventId })).replayed, 0)
      await inbox.start(createInboxConsumer((event) => runs.push(event.eventType)))
      await context.untilStats(inbox, { done: 2 })
      assert.equal((await inbox.replay({ state: 'dead' })).replayed, 0)
      assert.equal((await inbox.replay({ state: 'done', eventType: 'artifact.ready' })).replayed, 1)
      await context.untilStats(inbox, { done: 2 })
      await pause()
      assert.deepEqual(runs.sort(), ['artifact.ready', 'artifact.ready', 'job.created'])
    },
  },
  {
    id: 'I23',
    name: 'MUST purge done or dead events as filtered, and store a purged event as new',
    async run(context) {
      const inbox = context.open()
      const [good, bad] = [createInboxEvent(), createInboxEvent({ eventType: 'artifact.ready' })]
      await inbox.start(
        createInboxConsumer((event) => {
          if (event.eventType === 'artifact.ready') throw new PermanentError('dead')
        }),
      )
      await inbox.put(good)
      await inbox.put(bad)
      await context.untilStats(inbox, { done: 1, dead: 1 })
      await inbox.close({ graceMs: 100 })
      assert.equal(await inbox.purge({ state: 'done', finishedBefore: new Date(Date.now() - 60_000) }), 0)
      assert.equal(await inbox.purge({ state: 'done' }), 1)
      await context.expectCounts(inbox, { dead: 1 })
      assert.equal(await inbox.put(good), 'stored')
      assert.equal(await inbox.put(bad), 'duplicate')
      assert.equal(await inbox.purge({ state: 'dead', eventType: 'job.created' }), 0)
      assert.equal(await inbox.purge({ state: 'dead' }), 1)
      await context.expectCounts(inbox, { ready: 1 })
    },
  },
  {
    id: 'I24',
    name: 'MUST drop the body and headers of a done event if keepPayload is false, and still recognize it',
    async run(context) {
      const inbox = context.open({ keepPayload: false })
      const event = createInboxEvent()
      await inbox.start(createInboxConsumer(() => {}))
      await inbox.put(event)
      await context.untilStats(inbox, { done: 1 })
      await inbox.close({ graceMs: 100 })
      const record = await inbox.get(event.eventId)
      assert.equal(record?.state, 'done')
      assert.deepEqual([record?.body, record?.signedHeaders], [undefined, undefined])
      assert.equal(await inbox.put(event), 'duplicate')
      assert.deepEqual(await inbox.replay({ state: 'done' }), { replayed: 0, withoutPayload: 1 })
    },
  },
]
