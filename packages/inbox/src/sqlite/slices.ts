// Long reads go through the table in slices of ids, so that no read blocks the event loop for long.
import type { EventRow, Parameters } from './rows.ts'
import type { Statements } from './statements.ts'

/** How many rows a list or a step visits per read, which takes about half a millisecond. */
const sliceLength = 2000

/** How many events are deleted or replayed per transaction. */
const stepLength = 100

export interface Slice {
  readonly untilId: number
  readonly limit: number
  readonly conditions: Parameters
  readonly eventId: string | undefined
}

export interface Found {
  readonly rows: readonly EventRow[]
  /** Where the next slice begins; `undefined` after the last. */
  readonly untilId: number | undefined
}

/** The latest events before an id, within one slice, and where the next slice begins. */
export function latestBefore(statements: Statements, slice: Slice): Found {
  const { conditions, limit, eventId } = slice
  if (eventId !== undefined) {
    const { untilId } = slice
    const rows = statements.latestOfId.all({ ...conditions, eventId, untilId, limit }) as unknown as EventRow[]
    return { rows, untilId: undefined }
  }
  const lastId = statements.lastIdBefore.get({ untilId: slice.untilId })?.['id'] as number | null
  if (lastId === null) return { rows: [], untilId: undefined }
  const untilId = lastId + 1
  const fromId = Math.max(0, untilId - sliceLength)
  const rows = statements.latestInSlice.all({ ...conditions, fromId, untilId, limit }) as unknown as EventRow[]
  return { rows, untilId: fromId === 0 ? undefined : fromId }
}

export interface Step {
  readonly ids: readonly number[]
  /** Where the next step begins; `undefined` after the last. */
  readonly nextId: number | undefined
}

/** The ids of one step, beginning at `fromId`, and where the next step begins. */
export function idsFrom(
  statements: Statements,
  fromId: number,
  filter: { readonly conditions: Parameters; readonly finishedBeforeMs: number | undefined },
): Step {
  const first = statements.firstFrom.get({ fromId }) as Pick<EventRow, 'id' | 'received_at_ms'> | undefined
  if (first === undefined) return { ids: [], nextId: undefined }
  // Ids are in order of arrival, and no event finishes before it is received, so all the following ones are too recent.
  if (filter.finishedBeforeMs !== undefined && first.received_at_ms >= filter.finishedBeforeMs) {
    return { ids: [], nextId: undefined }
  }
  const untilId = first.id + sliceLength
  const rows = statements.idsInSlice.all({ ...filter.conditions, fromId: first.id, untilId, limit: stepLength })
  const ids = rows.map(({ id }) => id as number)
  const lastId = ids.length === stepLength ? (ids.at(-1) as number) + 1 : untilId
  return { ids, nextId: lastId }
}
