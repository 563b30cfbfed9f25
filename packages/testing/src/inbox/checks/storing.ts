import assert from 'node:assert/strict'
import type { InboxScenario } from '../bed.ts'
import { createInboxEvent } from '../fixtures.ts'

/** What `put` answers, and what it keeps. */
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
]
