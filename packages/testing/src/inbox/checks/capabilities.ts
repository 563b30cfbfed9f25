import assert from 'node:assert/strict'
import type { InboxScenario } from '../bed.ts'
import type { InboxUnderTestFilter } from '../contract.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

/** Something to ask with each filter; that nothing fits does not matter. */
const filters: Readonly<Required<InboxUnderTestFilter>> = {
  name: 'scrapenest',
  eventId: 'nothing',
  eventType: 'job.created',
  state: 'done',
  isUnhandled: true,
  receivedFrom: new Date(0),
  receivedBefore: new Date(0),
  finishedBefore: new Date(0),
}

/** What an engine says that it can do holds, and what it cannot is refused. */
export const capabilities: readonly InboxScenario[] = [
  {
    id: 'I32',
    name: 'MUST say what it can do, and can at least select by id and state',
    async play(bed) {
      const said = bed.capabilities
      for (const name of ['isDurable', 'isShared', 'canDropPayload'] as const)
        assert.equal(typeof said[name], 'boolean')
      assert.ok(['undefined', 'boolean'].includes(typeof said.canTakeClock))
      assert.ok(said.attempts === 'every' || said.attempts === 'last')
      for (const filter of said.filters) assert.ok(Object.hasOwn(filters, filter), `there is no filter ${filter}`)
      for (const state of said.replayableStates) assert.ok(state === 'done' || state === 'dead')
      assert.ok(said.filters.includes('eventId') && said.filters.includes('state'))
    },
  },
  {
    id: 'I33',
    name: 'MUST know its events again after it was closed, where it says that it is durable',
    async play(bed) {
      bed.needs('isDurable')
      const before = bed.open()
      const [handled, waiting] = [createInboxEvent({ name: 'one' }), createInboxEvent({ name: 'two' })]
      await before.start(createInboxConsumer(() => {}, 'one'))
      await before.put(handled)
      await before.put(waiting)
      await bed.untilStats(before, { done: 1, ready: 1 })
      await before.close({ graceMs: 100 })

      const after = bed.open()
      assert.equal(await after.put(handled), 'duplicate')
      assert.equal(await after.put(waiting), 'duplicate')
      assert.equal((await after.get(handled.eventId, { name: 'one' }))?.state, 'done')
      assert.ok(Buffer.from((await after.get(waiting.eventId, { name: 'two' }))?.body ?? []).equals(waiting.body))
      await after.start(createInboxConsumer(() => {}, 'two'))
      await bed.untilStats(after, { done: 2, ready: 0 })
    },
  },
  {
    id: 'I34',
    name: 'MUST share its events with another on the same place, and run each once, where it says that it is shared',
    async play(bed) {
      bed.needs('isShared')
      const inboxes = [bed.open(), bed.open()]
      const runs: string[] = []
      for (const inbox of inboxes) await inbox.start(createInboxConsumer(({ eventId }) => runs.push(eventId)))
      const events = Array.from({ length: 20 }, () => createInboxEvent())
      const answers = await Promise.all(events.flatMap((event) => inboxes.map((inbox) => inbox.put(event))))
      assert.equal(answers.filter((answer) => answer === 'stored').length, events.length)
      for (const inbox of inboxes) await bed.untilStats(inbox, { done: events.length, ready: 0, running: 0 })
      assert.deepEqual(runs.sort(), events.map(({ eventId }) => eventId).sort())
    },
  },
  {
    id: 'I35',
    name: 'MUST refuse to list, replay or purge by a filter that it does not have',
    async play(bed) {
      const inbox = bed.open()
      for (const name of Object.keys(filters) as (keyof typeof filters)[]) {
        if (bed.can('filters', name)) continue
        const filter = { [name]: filters[name] }
        await bed.refuses(() => inbox.list(filter))
        await bed.refuses(() => inbox.replay({ eventId: 'nothing', ...filter }))
        await bed.refuses(() => inbox.purge({ state: 'done', ...filter }))
      }
    },
  },
  {
    id: 'I36',
    name: 'MUST refuse to replay events of a state that it cannot replay',
    async play(bed) {
      const inbox = bed.open()
      for (const state of ['done', 'dead'] as const) {
        if (!bed.can('replayableStates', state)) await bed.refuses(() => inbox.replay({ state }))
      }
    },
  },
]
