import assert from 'node:assert/strict'
import { PermanentError } from '@scrapenest-webhooks/core'
import type { Inbox, InboxFilter, InboxSummary } from '@scrapenest-webhooks/inbox'
import type { InboxCheckDefinition } from '../check-definition.ts'
import { createInboxConsumer } from '../inbox-consumer.ts'
import { createInboxEvent } from '../inbox-event.ts'

/** `list` and `stats`. `get` is checked with what it returns: stored events and their attempts. */
export const listingChecks: readonly InboxCheckDefinition[] = [
  {
    id: 'I25',
    name: 'MUST list page by page, the latest stored first, without gaps, repetition or content',
    async run(context) {
      const inbox = context.open()
      const events = Array.from({ length: 7 }, () => createInboxEvent())
      for (const event of events) await inbox.put(event)
      const [a, b, c, d, e, f, g] = idsOf(events)
      const pages = await listPages(inbox, 3)
      assert.deepEqual(pages.map(idsOf), [[g, f, e], [d, c, b], [a]])
      for (const event of pages.flat()) assert.ok(!('body' in event) && !('signedHeaders' in event))
    },
  },
  {
    id: 'I26',
    name: 'MUST list by type, id, name and time received',
    async run(context) {
      const inbox = context.open()
      const job = createInboxEvent({ receivedAt: new Date(1_700_000_000_000) })
      const artifact = createInboxEvent({ eventType: 'artifact.ready', receivedAt: new Date(1_700_000_100_000) })
      const other = createInboxEvent({ name: 'other', receivedAt: new Date(1_700_000_200_000) })
      for (const event of [job, artifact, other]) await inbox.put(event)
      await expectLists(inbox, [
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
    name: 'MUST list by state, handled or unhandled, and time finished',
    async run(context) {
      const inbox = context.open()
      const [handled, unhandled, dead] = [createInboxEvent(), createInboxEvent(), createInboxEvent()]
      await inbox.start({
        ...createInboxConsumer(() => {}),
        process: async ({ eventId }) => {
          if (eventId === dead.eventId) throw new PermanentError('dead')
          return eventId === handled.eventId ? 'handled' : 'unhandled'
        },
      })
      for (const event of [handled, unhandled, dead]) await inbox.put(event)
      await context.untilStats(inbox, { done: 2, dead: 1 })
      await inbox.close({ graceMs: 100 })
      await expectLists(inbox, [
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
    id: 'I40',
    name: 'MUST list events of different states in the order that its capabilities declare',
    async run(context) {
      const inbox = context.open()
      const [oldest, waiting, latest] = [
        createInboxEvent({ name: 'one' }),
        createInboxEvent({ name: 'two' }),
        createInboxEvent({ name: 'one' }),
      ]
      await inbox.start(createInboxConsumer(() => {}, 'one'))
      await inbox.put(oldest)
      await context.untilStats(inbox, { done: 1 })
      await inbox.put(waiting)
      await inbox.put(latest)
      await context.untilStats(inbox, { done: 2 })
      // One event per page: each page is sorted by storage time, so an order by state shows only across pages.
      const pages = await listPages(inbox, 1)
      context.expectOrder(idsOf(pages.flat()), {
        stored: idsOf([latest, waiting, oldest]),
        byState: idsOf([waiting, latest, oldest]),
      })
    },
  },
  {
    id: 'I28',
    name: 'MUST count the events in each state, and report since when the oldest has been waiting',
    async run(context) {
      const inbox = context.open({ concurrency: 1 })
      const outcomes = [() => {}, fail, () => new Promise(() => {})]
      let begun = 0
      await inbox.start(
        createInboxConsumer(async () => {
          const outcome = outcomes[begun]
          begun += 1
          await outcome?.()
        }),
      )
      for (let index = 0; index < 4; index += 1) await inbox.put(createInboxEvent())
      await context.untilStats(inbox, { done: 1, dead: 1, running: 1, ready: 1 })
      const { oldestReadyAt } = await inbox.stats()
      assert.ok(oldestReadyAt !== undefined && Math.abs(Date.now() - oldestReadyAt.getTime()) < 60_000)
      await inbox.close({ graceMs: 0 })
    },
  },
]

function fail(): never {
  throw new PermanentError('dead')
}

async function listPages(inbox: Inbox, limit: number): Promise<readonly (readonly InboxSummary[])[]> {
  const pages: (readonly InboxSummary[])[] = []
  let cursor: string | undefined
  do {
    const page = await inbox.list({ limit, cursor })
    pages.push(page.events)
    cursor = page.nextCursor
    // The limit stops an inbox that starts over after its last page.
  } while (cursor !== undefined && pages.length < 10)
  return pages
}

function idsOf(events: readonly { readonly eventId: string }[]): readonly string[] {
  return events.map(({ eventId }) => eventId)
}

/** Each filter must select these events, the latest stored first. */
async function expectLists(
  inbox: Inbox,
  lists: readonly (readonly [InboxFilter, readonly { readonly eventId: string }[]])[],
): Promise<void> {
  for (const [filter, wanted] of lists) {
    const { events } = await inbox.list(filter)
    assert.deepEqual(idsOf(events), idsOf(wanted), `listed by ${JSON.stringify(filter)}`)
  }
}
