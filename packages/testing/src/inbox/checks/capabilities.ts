import assert from 'node:assert/strict'
import type { InboxCheckDefinition } from '../check-definition.ts'
import { createInboxConsumer } from '../inbox-consumer.ts'
import { createInboxEvent } from '../inbox-event.ts'

/** An engine has the capabilities it declares, and refuses what no engine supports. */
export const capabilityChecks: readonly InboxCheckDefinition[] = [
  {
    id: 'I32',
    name: 'MUST declare its capabilities',
    async run(context) {
      const { isDurable, isShared, attempts, listOrder, canTakeClock } = context.capabilities
      assert.deepEqual([typeof isDurable, typeof isShared], ['boolean', 'boolean'])
      assert.ok(attempts === 'every' || attempts === 'last')
      assert.ok(listOrder === 'stored' || listOrder === 'state')
      assert.ok(['undefined', 'boolean'].includes(typeof canTakeClock))
    },
  },
  {
    id: 'I33',
    name: 'MUST keep its events when closed and reopened, if it is durable',
    async run(context) {
      context.require('isDurable')
      const before = context.open()
      const [handled, waiting] = [createInboxEvent({ name: 'one' }), createInboxEvent({ name: 'two' })]
      await before.start(createInboxConsumer(() => {}, 'one'))
      await before.put(handled)
      await before.put(waiting)
      await context.untilStats(before, { done: 1, ready: 1 })
      await before.close({ graceMs: 100 })

      const after = context.open()
      assert.equal(await after.put(handled), 'duplicate')
      assert.equal(await after.put(waiting), 'duplicate')
      assert.equal((await after.get(handled.eventId, { name: 'one' }))?.state, 'done')
      assert.ok(Buffer.from((await after.get(waiting.eventId, { name: 'two' }))?.body ?? []).equals(waiting.body))
      await after.start(createInboxConsumer(() => {}, 'two'))
      await context.untilStats(after, { done: 2, ready: 0 })
    },
  },
  {
    id: 'I34',
    name: 'MUST share its events with another inbox on the same storage and handle each once, if it is shared',
    async run(context) {
      context.require('isShared')
      const inboxes = [context.open(), context.open()]
      const runs: string[] = []
      for (const inbox of inboxes) await inbox.start(createInboxConsumer(({ eventId }) => runs.push(eventId)))
      const events = Array.from({ length: 20 }, () => createInboxEvent())
      const answers = await Promise.all(events.flatMap((event) => inboxes.map((inbox) => inbox.put(event))))
      assert.equal(answers.filter((answer) => answer === 'stored').length, events.length)
      for (const inbox of inboxes) await context.untilStats(inbox, { done: events.length, ready: 0, running: 0 })
      assert.deepEqual(runs.sort(), events.map(({ eventId }) => eventId).sort())
    },
  },
  {
    id: 'I35',
    name: 'MUST refuse to list, replay or purge by an unknown filter',
    async run(context) {
      const inbox = context.open()
      // A misspelled condition that is ignored selects everything. TypeScript refuses it only in a literal.
      const unknown = { color: 'red' }
      await context.expectRefusal(() => inbox.list(unknown as object))
      await context.expectRefusal(() => inbox.replay({ state: 'dead', ...unknown }))
      await context.expectRefusal(() => inbox.purge({ state: 'dead', ...unknown }))
    },
  },
  {
    id: 'I36',
    name: 'MUST refuse to replay or purge without a selection, and to purge waiting or running events',
    async run(context) {
      const inbox = context.open()
      await inbox.put(createInboxEvent())
      // What a caller without types may pass.
      await context.expectRefusal(() => inbox.replay({} as { state: 'dead' }))
      for (const filter of [{}, { state: 'ready' }, { state: 'running' }]) {
        await context.expectRefusal(() => inbox.purge(filter as { state: 'dead' }))
      }
      await context.expectCounts(inbox, { ready: 1 })
    },
  },
]
