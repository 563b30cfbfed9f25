import assert from 'node:assert/strict'
import { PermanentError } from '@scrapenest-webhooks/core'
import type { InboxBed, InboxScenario } from '../bed.ts'
import type { InboxUnderTest, InboxUnderTestFilter } from '../contract.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

/** What people see: `list` and `stats`. `get` is where events are stored and tried. */
export const looking: readonly InboxScenario[] = [
  {
    id: 'I25',
    name: 'MUST list the latest first, page by page, without gap or repetition, and without content',
    async play(bed) {
      const inbox = bed.open()
      const ids: string[] = []
      for (let index = 0; index < 7; index += 1) {
        const event = createInboxEvent()
        ids.unshift(event.eventId)
        await inbox.put(event)
      }
      const pages: string[][] = []
      let cursor: string | undefined
      do {
        const page = await inbox.list({ limit: 3, cursor })
        pages.push(page.events.map(({ eventId }) => eventId))
        for (const event of page.events) assert.ok(!('body' in event) && !('signedHeaders' in event))
        cursor = page.nextCursor
        // An inbox that begins again would go on for ever.
      } while (cursor !== undefined && pages.length <= ids.length)
      assert.deepEqual(pages, [ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)])
    },
  },
  {
    id: 'I26',
    name: 'MUST list by what came: type, id, name and time received',
    async play(bed) {
      const inbox = bed.open()
      const job = createInboxEvent({ receivedAt: new Date(1_700_000_000_000) })
      const artifact = createInboxEvent({ eventType: 'artifact.ready', receivedAt: new Date(1_700_000_100_000) })
      const other = createInboxEvent({ name: 'other', receivedAt: new Date(1_700_000_200_000) })
      for (const event of [job, artifact, other]) await inbox.put(event)
      await expectLists(bed, inbox, [
        [{ eventType: 'artifact.ready' }, [artifact]],
        [{ name: 'other' }, [other]],
        [{ eventId: job.eventId }, [job]],
        [{ state: 'ready', name: 'scrapenest' }, [artifact, job]],
        [{ receivedFrom: artifact.receivedAt }, [other, artifact]],
        [{ receivedBefore: artifact.receivedAt }, [job]],
      ])
    },
  },
  {
    id: 'I27',
    name: 'MUST list by what became of it: state, without a handler or with one, and when it ended',
    async play(bed) {
      const inbox = bed.open()
      const [handled, unhandled, dead] = [createInboxEvent(), createInboxEvent(), createInboxEvent()]
      await inbox.start({
        ...createInboxConsumer(() => {}),
        process: async ({ eventId }) => {
          if (eventId === dead.eventId) throw new PermanentError('dead')
          return eventId === handled.eventId ? 'handled' : 'unhandled'
        },
      })
      for (const event of [handled, unhandled, dead]) await inbox.put(event)
      await bed.untilStats(inbox, { done: 2, dead: 1 })
      await inbox.close({ graceMs: 100 })
      await expectLists(bed, inbox, [
        [{ state: 'dead' }, [dead]],
        [{ state: 'done' }, [unhandled, handled]],
        [{ state: 'ready' }, []],
        [{ isUnhandled: true }, [unhandled]],
        [{ state: 'done', isUnhandled: false }, [handled]],
        [{ finishedBefore: new Date(Date.now() - 60_000) }, []],
        [{ state: 'dead', finishedBefore: new Date(Date.now() + 60_000) }, [dead]],
      ])
    },
  },
  {
    id: 'I28',
    name: 'MUST count the events of each state, and tell since when the oldest waits',
    async play(bed) {
      const inbox = bed.open({ concurrency: 1 })
      const never = new Promise(() => {})
      const outcomes = [undefined, new PermanentError('dead'), never]
      let begun = 0
      await inbox.start(
        createInboxConsumer(async () => {
          const outcome = outcomes[begun]
          begun += 1
          if (outcome instanceof Error) throw outcome
          await outcome
        }),
      )
      for (let index = 0; index < 4; index += 1) await inbox.put(createInboxEvent())
      await bed.untilStats(inbox, { done: 1, dead: 1, running: 1, ready: 1 })
      const { oldestReadyAt } = await inbox.stats()
      assert.ok(oldestReadyAt !== undefined && Math.abs(Date.now() - oldestReadyAt.getTime()) < 60_000)
      await inbox.close({ graceMs: 0 })
    },
  },
]

/** Each filter must select these events, the latest first; a filter with a condition that the engine cannot do is left out. */
async function expectLists(
  bed: InboxBed,
  inbox: InboxUnderTest,
  lists: readonly (readonly [InboxUnderTestFilter, readonly { readonly eventId: string }[]])[],
): Promise<void> {
  for (const [filter, wanted] of lists) {
    const names = Object.keys(filter) as (keyof InboxUnderTestFilter)[]
    if (!names.every((name) => bed.can('filters', name))) continue
    const { events } = await inbox.list(filter)
    assert.deepEqual(
      events.map(({ eventId }) => eventId),
      wanted.map(({ eventId }) => eventId),
      `listed by ${JSON.stringify(filter)}`,
    )
  }
}
