import assert from 'node:assert/strict'
import type { InboxCheckDefinition } from '../check-definition.ts'
import { createInboxConsumer } from '../inbox-consumer.ts'
import { createInboxEvent } from '../inbox-event.ts'

/** What `put` returns, what it stores, and whether the store works. */
export const storingChecks: readonly InboxCheckDefinition[] = [
  {
    id: 'I01',
    name: 'MUST report whether an event is new or a duplicate',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      assert.equal(await inbox.put(event), 'duplicate')
      assert.equal((await inbox.stats()).ready, 1)
    },
  },
  {
    id: 'I02',
    name: 'MUST store an event once when it is put many times concurrently',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      const results = await Promise.all(Array.from({ length: 20 }, () => inbox.put(event)))
      assert.equal(results.filter((result) => result === 'stored').length, 1)
      assert.equal((await inbox.stats()).ready, 1)
    },
  },
  {
    id: 'I03',
    name: 'MUST keep apart events of two receivers with the same id',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      assert.equal(await inbox.put({ ...event, name: 'another' }), 'stored')
      assert.equal((await inbox.stats({ name: 'another' })).ready, 1)
      assert.equal((await inbox.get(event.eventId, { name: 'another' }))?.name, 'another')
    },
  },
  {
    id: 'I41',
    name: 'MUST keep apart events of two scopes with the same id',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      const ofTenant = { ...event, scope: 'tenant' }
      assert.equal(await inbox.put(event), 'stored')
      assert.equal(await inbox.put(ofTenant), 'stored')
      assert.equal(await inbox.put(ofTenant), 'duplicate')
      for (const scope of ['', 'tenant']) {
        assert.equal((await inbox.get(event.eventId, { scope }))?.scope, scope)
        assert.deepEqual(
          (await inbox.list({ scope })).events.map((listed) => listed.scope),
          [scope],
        )
      }
      assert.equal((await inbox.get(event.eventId))?.scope, '')
    },
  },
  {
    id: 'I04',
    name: 'MUST return everything stored about an event, and nothing for an unknown id',
    async run(context) {
      const inbox = context.open()
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
    name: 'MUST copy the bytes, because the caller may reuse them after put',
    async run(context) {
      const inbox = context.open()
      const event = createInboxEvent()
      const sent = Buffer.from(event.body)
      await inbox.put(event)
      event.body.fill(0)
      assert.ok(Buffer.from((await inbox.get(event.eventId))?.body ?? []).equals(sent))
    },
  },
  {
    id: 'I39',
    name: 'MUST pass its own check while its store works, before and after it starts, and leave nothing behind',
    async run(context) {
      const inbox = context.open()
      await assert.doesNotReject(inbox.check())
      const handled: string[] = []
      await inbox.start(createInboxConsumer((event) => handled.push(event.eventId)))
      await assert.doesNotReject(Promise.all([inbox.check(), inbox.check()]))
      const event = createInboxEvent()
      assert.equal(await inbox.put(event), 'stored')
      await context.untilStats(inbox, { done: 1 })
      await assert.doesNotReject(inbox.check())
      assert.deepEqual(handled, [event.eventId])
      await context.expectCounts(inbox, { done: 1 })
      assert.equal((await inbox.list()).events.length, 1)
    },
  },
]
