import { ConfigurationError } from '@scrapenest-webhooks/core'
import type { InboxFilter, InboxPage, InboxSummary } from '@scrapenest-webhooks/inbox'
import { fitsFilter, type PageRequest } from '@scrapenest-webhooks/inbox/kit'
import type { JobType, Queue } from 'bullmq'
import { eventKeyOf } from './job-data.ts'
import { type ListPosition, listsOf, readList, states } from './job-lists.ts'
import { readJob, toSummary } from './job-record.ts'

/** Number of jobs per read. */
const batchLength = 100

export const cursorForm: RegExp = /^[A-Za-z0-9_-]{1,1000}$/

/** One list of one receiver's queue, and the state of the events in it. */
interface Source {
  readonly name: string
  readonly state: InboxSummary['state']
  readonly list: JobType
}

/** Where a page ended. */
interface PageEnd extends ListPosition {
  readonly name: string
  readonly list: JobType
}

interface Found {
  readonly end: PageEnd
  readonly summary: InboxSummary
}

/** Queries the queue of a receiver. */
export type QueueReader = <Answer>(name: string, ask: (queue: Queue) => Promise<Answer>) => Promise<Answer>

/**
 * Reads one page of events. BullMQ has no order across its lists, so a page reads one list after another, starting where the
 * last page ended, until it is full.
 */
export async function readPage(
  names: readonly string[],
  read: QueueReader,
  { filter, limit, cursor }: PageRequest,
): Promise<InboxPage> {
  const found: Found[] = []
  // One event more than fits on the page, to tell whether there is another page.
  for await (const one of eventsAfter(cursor, { sources: sourcesOf(names, filter), read, filter })) {
    found.push(one)
    if (found.length > limit) break
  }
  const page = found.slice(0, limit)
  const last = page.at(-1)
  // Ids start with the time.
  page.sort((one, other) => (one.end.id < other.end.id ? 1 : -1))
  return {
    events: page.map(({ summary }) => summary),
    ...(found.length > limit && last !== undefined ? { nextCursor: toCursor(last.end) } : {}),
  }
}

/** The lists to read, in an order that is stable between pages. */
function sourcesOf(names: readonly string[], filter: InboxFilter): readonly Source[] {
  const selected = filter.state === undefined ? states : [filter.state]
  return selected.flatMap((state) =>
    listsOf[state].flatMap((list) => names.toSorted().map((name) => ({ name, state, list }))),
  )
}

interface Scan {
  readonly sources: readonly Source[]
  readonly read: QueueReader
  readonly filter: InboxFilter
}

async function* eventsAfter(cursor: string | undefined, { sources, read, filter }: Scan): AsyncGenerator<Found> {
  const start = cursor === undefined ? undefined : readCursor(cursor)
  const isStart = ({ name, list }: Source): boolean => name === start?.name && list === start.list
  const first = Math.max(0, sources.findIndex(isStart))
  for (const source of sources.slice(first)) {
    const after = isStart(source) ? start : undefined
    for await (const found of eventsIn(source, { read, after })) {
      if (fitsFilter(found.summary, filter)) yield found
    }
  }
}

async function* eventsIn(
  { name, state, list }: Source,
  { read, after: start }: { readonly read: QueueReader; readonly after: ListPosition | undefined },
): AsyncGenerator<Found> {
  let after = start
  for (;;) {
    const from = after
    const positions = await read(name, (queue) => readList(queue, list, { after: from, length: batchLength }))
    const jobs = await Promise.all(positions.map(({ id }) => read(name, (queue) => readJob(queue, id))))
    for (const [index, position] of positions.entries()) {
      const job = jobs[index]
      // The job was deleted after its id was read, is unreadable, is one of BullMQ's markers, or is another job in the
      // application's queue.
      if (job === undefined || eventKeyOf(position.id) === undefined) continue
      yield { end: { ...position, name, list }, summary: toSummary(job, state) }
    }
    after = positions.at(-1)
    if (positions.length < batchLength) return
  }
}

function toCursor({ name, list, id, index }: PageEnd): string {
  return Buffer.from(JSON.stringify([name, list, index, id])).toString('base64url')
}

/** @throws {ConfigurationError} `configuration_invalid` */
function readCursor(cursor: string): PageEnd {
  try {
    const [name, list, index, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Number.isSafeInteger(index) && typeof id === 'string') return { name, list, index, id }
  } catch {}
  throw new ConfigurationError('Expected `cursor` to be the `nextCursor` of the previous page.')
}
