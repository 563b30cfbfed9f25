import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { PermanentError, WebhookError } from '@scrapenest-webhooks/core'
import type { DispatchResult } from '@scrapenest-webhooks/core/adapter'
import { aWhileMs, countsOf, type InboxScenario, soon } from '../bed.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

/** What `replay` and `purge` do to events that are done or dead. */
export const replaying: readonly InboxScenario[] = [
  {
    id: 'I20',
    name: 'MUST mark an event without a handler as unhandled, keep its body, and run it when it is replayed',
    async play(bed) {
      const inbox = bed.open(bed.can('canDropPayload') ? { keepPayload: false } : {})
      const event = createInboxEvent()
      let result: DispatchResult = 'unhandled'
      await inbox.start({ ...createInboxConsumer(() => {}), process: async () => result })
      await inbox.put(event)
      await bed.untilStats(inbox, { done: 1, unhandled: 1 })
      assert.equal((await inbox.get(event.eventId))?.isUnhandled, true)
      if (!bed.can('replayableStates', 'done')) return
      result = 'handled'
      assert.deepEqual(await inbox.replay({ eventId: event.eventId }), { replayed: 1, withoutPayload: 0 })
      await bed.untilStats(inbox, { done: 1, unhandled: 0 })
    },
  },
  {
    id: 'I21',
    name: 'MUST run a dead event again when it is replayed, with a fresh number of attempts',
    async play(bed) {
      const inbox = bed.open({ backoff: soon, maxAttempts: 2 })
      const counted: number[] = []
      const event = createInboxEvent()
      let isMended = false
      await inbox.start(
        createInboxConsumer((_, { attempt }) => {
          counted.push(attempt)
          if (!isMended) throw new WebhookError('handler_failed', undefined, { cause: new Error('broken') })
        }),
      )
      await inbox.put(event)
      await bed.untilStats(inbox, { dead: 1 })
      if (!bed.can('replayableStates', 'dead')) return
      isMended = true
      assert.equal((await inbox.replay({ state: 'dead' })).replayed, 1)
      await bed.untilStats(inbox, { done: 1 })
      assert.deepEqual(counted, [1, 2, 1])
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.replays, record?.attempts], [1, 1])
      bed.expectHistory(record, ({ replay, attempt }) => [replay, attempt], [
        [0, 1],
        [0, 2],
        [1, 1],
      ])
    },
  },
  {
    id: 'I22',
    name: 'MUST replay what the filter selects and nothing that waits',
    async play(bed) {
      const inbox = bed.open()
      const [job, artifact] = [createInboxEvent(), createInboxEvent({ eventType: 'artifact.ready' })]
      const runs: string[] = []
      await inbox.put(job)
      await inbox.put(artifact)
      assert.equal((await inbox.replay({ eventId: job.eventId })).replayed, 0)
      await inbox.start(createInboxConsumer((event) => runs.push(event.eventType)))
      await bed.untilStats(inbox, { done: 2 })
      if (bed.can('replayableStates', 'dead')) assert.equal((await inbox.replay({ state: 'dead' })).replayed, 0)
      if (!bed.can('replayableStates', 'done')) return
      const ofArtifact = bed.can('filters', 'eventType')
        ? ({ state: 'done', eventType: 'artifact.ready' } as const)
        : { eventId: artifact.eventId }
      assert.equal((await inbox.replay(ofArtifact)).replayed, 1)
      await bed.untilStats(inbox, { done: 2 })
      await sleep(aWhileMs)
      assert.deepEqual(runs.sort(), ['artifact.ready', 'artifact.ready', 'job.created'])
    },
  },
  {
    id: 'I23',
    name: 'MUST purge what is done or dead, as filtered, and take a purged event for new',
    async play(bed) {
      const inbox = bed.open()
      const [good, bad] = [createInboxEvent(), createInboxEvent({ eventType: 'artifact.ready' })]
      await inbox.start(
        createInboxConsumer((event) => {
          if (event.eventType === 'artifact.ready') throw new PermanentError('dead')
        }),
      )
      await inbox.put(good)
      await inbox.put(bad)
      await bed.untilStats(inbox, { done: 1, dead: 1 })
      await inbox.close({ graceMs: 100 })
      if (bed.can('filters', 'finishedBefore')) {
        assert.equal(await inbox.purge({ state: 'done', finishedBefore: new Date(Date.now() - 60_000) }), 0)
      }
      assert.equal(await inbox.purge({ state: 'done' }), 1)
      assert.deepEqual(await countsOf(inbox), { ready: 0, running: 0, done: 0, dead: 1, unhandled: 0 })
      assert.equal(await inbox.put(good), 'stored')
      assert.equal(await inbox.put(bad), 'duplicate')
      if (bed.can('filters', 'eventType')) {
        assert.equal(await inbox.purge({ state: 'dead', eventType: 'job.created' }), 0)
      }
      assert.equal(await inbox.purge({ state: 'dead' }), 1)
      assert.deepEqual(await countsOf(inbox), { ready: 1, running: 0, done: 0, dead: 0, unhandled: 0 })
    },
  },
  {
    id: 'I24',
    name: 'MUST drop bodies and headers when done, where keepPayload is false, and still know the event; or refuse to',
    async play(bed) {
      if (!bed.can('canDropPayload')) return await bed.refuses(() => bed.open({ keepPayload: false }))
      const inbox = bed.open({ keepPayload: false })
      const event = createInboxEvent()
      await inbox.start(createInboxConsumer(() => {}))
      await inbox.put(event)
      await bed.untilStats(inbox, { done: 1 })
      await inbox.close({ graceMs: 100 })
      const record = await inbox.get(event.eventId)
      assert.equal(record?.state, 'done')
      assert.deepEqual([record?.body, record?.signedHeaders], [undefined, undefined])
      assert.equal(await inbox.put(event), 'duplicate')
      if (!bed.can('replayableStates', 'done')) return
      assert.deepEqual(await inbox.replay({ state: 'done' }), { replayed: 0, withoutPayload: 1 })
    },
  },
]
