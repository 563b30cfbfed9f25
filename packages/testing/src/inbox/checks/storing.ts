import assert from 'node:assert/strict'
import { countsOf, type InboxScenario } from '../bed.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

/** What `put` answers, what it keeps, and whether the store works. */
export const storing: readonly InboxScenario[] = [
  {
    id: 'I01',
    name: 'MUST say of an event whether it is new or a duplicate',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      assert.equal(await inbox.put(event), 'duplicate')
      assert.equal((await inbox.stats()).ready, 1)
    },
  },
  {
    id: 'I02',
    name: 'MUST store an event once when it comes many times at once',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      const results = await Promise.all(Array.from({ length: 20 }, () => inbox.put(event)))
      assert.equal(results.filter((result) => result === 'stored').length, 1)
      assert.equal((await inbox.stats()).ready, 1)
    },
  },
  {
    id: 'I03',
    name: 'MUST keep the same id of two receivers apart',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      assert.equal(await inbox.put({ ...event, name: 'another' }), 'stored')
      assert.equal((await inbox.stats({ name: 'another' })).ready, 1)
      assert.equal((await inbox.get(event.eventId, { name: 'another' }))?.name, 'another')
    },
  },
  {
    id: 'I04',
    name: 'MUST give everything that is kept of one event, and nothing for one that is not there',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      await inbox.put(event)
      const record = await inbox.get(event.eventId)
      assert.deepEqual(record?.envelope, JSON.parse(Buffer.from(event.body).toString()))
      assert.ok(Buffer.from(record?.body ?? []).equals(event.body))
      for (const fact of ['signedHeaders', 'sentAt', 'receivedAt', 'messageId', 'eventType', 'secretIndex'] as const) {
        assert.deepEqual(record?.[fact], event[fact])
      }
      assert.equal(await inbox.get('nothing'), undefined)
    },
  },
  {
    id: 'I05',
    name: 'MUST keep bytes of its own: what was put belongs to the caller again',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      const sent = Buffer.from(event.body)
      await inbox.put(event)
      event.body.fill(0)
      assert.ok(Buffer.from((await inbox.get(event.eventId))?.body ?? []).equals(sent))
    },
  },
  {
    id: 'I39',
    name: 'MUST pass its own check while its store works, before it is started and after, and leave nothing behind',
    async play(bed) {
      const inbox = bed.open()
      await assert.doesNotReject(inbox.check())
      const handled: string[] = []
      await inbox.start(createInboxConsumer((event) => handled.push(event.eventId)))
      await assert.doesNotReject(Promise.all([inbox.check(), inbox.check()]))
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      await bed.untilStats(inbox, { done: 1 })
      await assert.doesNotReject(inbox.check())
      assert.deepEqual(handled, [event.eventId])
      assert.deepEqual(await countsOf(inbox), { ready: 0, running: 0, done: 1, dead: 0, unhandled: 0 })
      assert.equal((await inbox.list()).events.length, 1)
    },
  },
]
