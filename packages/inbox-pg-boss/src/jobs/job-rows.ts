import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { InboxAttemptRecord, InboxFilter, InboxRecord, InboxState, InboxSummary } from '@scrapenest-webhooks/inbox'
import {
  bodyOf,
  exactNames,
  fromEventJson,
  keyText,
  leaseEnded,
  readEnvelope,
  toStorableText,
} from '@scrapenest-webhooks/inbox/kit'
import { type JobData, type JobOutput, jobIdOf, parseJson, readJobData, toDate } from './job-data.ts'

/**
 * A row of pg-boss's job table. Everything is selected as text, because the application may have configured how `pg` parses
 * times, JSON or integers.
 */
export interface JobRow {
  readonly id: string
  readonly queue: string
  readonly data: string | null
  readonly state: 'created' | 'retry' | 'active' | 'completed' | 'cancelled' | 'failed'
  readonly retry_count: string
  readonly output: string | null
  /** Milliseconds since 1970, like all other times except `created_us`. */
  readonly start_after: string
  readonly started_on: string | null
  readonly completed_on: string | null
  /** When the lease expires. */
  readonly lease_end: string | null
  /** Microseconds since 1970, because pages must not overlap. */
  readonly created_us: string
}

/** SQL for a time in milliseconds since 1970, as text. */
function milliseconds(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::text`
}

export const rowColumns: string = [
  'id::text AS id, name::text AS queue, data::text AS data, state::text AS state, retry_count::text AS retry_count',
  'output::text AS output',
  `${milliseconds('start_after')} AS start_after`,
  `${milliseconds('started_on')} AS started_on`,
  `${milliseconds('completed_on')} AS completed_on`,
  `${milliseconds("(heartbeat_on + heartbeat_seconds * interval '1s')")} AS lease_end`,
  '(extract(epoch FROM created_on) * 1000000)::bigint::text AS created_us',
].join(', ')

export const cursorForm: RegExp = /^[0-9]{1,17}_[0-9a-f-]{36}$/

export function cursorOf({ created_us: createdUs, id }: JobRow): string {
  return `${createdUs}_${id}`
}

/** The event state for each of pg-boss's states, in the order of pg-boss's enum. */
const stateOf = {
  created: 'ready',
  retry: 'ready',
  active: 'running',
  completed: 'done',
  // An operator canceled the job with pg-boss's tools.
  cancelled: 'dead',
  failed: 'dead',
} as const satisfies Record<JobRow['state'], InboxState>

/** The SQL condition of a filter. The first of its values is the list of queues. */
export function selection(
  filter: InboxFilter,
  queues: readonly string[],
): { readonly where: string; readonly values: unknown[] } {
  const values: unknown[] = [queues]
  const conditions = ['name = ANY($1)']
  const add = (condition: string, value: unknown): void => {
    values.push(value)
    conditions.push(condition.replace('?', `$${values.length}`))
  }
  const { name, scope, eventId, eventType, state, isUnhandled, receivedFrom, receivedBefore, finishedBefore } = filter
  if (eventId !== undefined && scope !== undefined) {
    // A job's id depends on the name, so without a name, each queue has a different id for the event.
    const names = name === undefined ? queues.map(nameOfQueue) : [name]
    add(
      'id = ANY(?::uuid[])',
      names.map((one) => jobIdOf({ name: one, scope, eventId })),
    )
  } else if (eventId !== undefined) {
    add("data->>'eventId' = ?", keyText(eventId))
  } else if (scope !== undefined) {
    add("COALESCE(data->>'scope', '') = ?", keyText(scope))
  }
  if (eventType !== undefined) add("data->>'eventType' = ?", toStorableText(eventType))
  if (state !== undefined) {
    const states = Object.keys(stateOf).filter((one) => stateOf[one as JobRow['state']] === state)
    add('state::text = ANY(?::text[])', states)
  }
  if (isUnhandled !== undefined) {
    add("(state = 'completed' AND COALESCE(output->'isUnhandled' = 'true'::jsonb, false)) = ?::boolean", isUnhandled)
  }
  // Casting unreadable data would fail the whole statement.
  const receivedAt = "CASE WHEN jsonb_typeof(data->'receivedAt') = 'number' THEN (data->>'receivedAt')::numeric END"
  if (receivedFrom !== undefined) add(`${receivedAt} >= ?::numeric`, receivedFrom.getTime())
  if (receivedBefore !== undefined) add(`${receivedAt} < ?::numeric`, receivedBefore.getTime())
  if (finishedBefore !== undefined) {
    add("state >= 'completed' AND extract(epoch FROM completed_on) * 1000 < ?::numeric", finishedBefore.getTime())
  }
  return { where: conditions.join(' AND '), values }
}

export function toSummary(row: JobRow): InboxSummary {
  const state = stateOf[row.state]
  const data = shownData(row)
  const isFinal = state === 'done' || state === 'dead'
  const dueAt = timeOf(state === 'running' ? row.lease_end : row.start_after)
  const finishedAt = timeOf(row.completed_on)
  const retryCount = Number(row.retry_count)
  return {
    name: data.name,
    ...exactNames(data),
    messageId: data.messageId,
    state,
    isUnhandled: state === 'done' && outputOf(row)?.isUnhandled === true,
    // pg-boss counts retries, which start with the second claim. A released job has no `started_on`.
    attempts: row.started_on === null ? retryCount : retryCount + 1,
    replays: data.replays ?? 0,
    sentAt: new Date(data.sentAt),
    receivedAt: new Date(data.receivedAt),
    ...(isFinal || dueAt === undefined ? {} : { dueAt }),
    ...(isFinal && finishedAt !== undefined ? { finishedAt } : {}),
  }
}

export function toRecord(row: JobRow): InboxRecord {
  const data = shownData(row)
  const body = bodyOf(data)
  return {
    ...toSummary(row),
    body,
    envelope: body === undefined ? undefined : readEnvelope(body),
    signedHeaders: data.signedHeaders,
    secretIndex: data.secretIndex,
    history: lastAttempt(row, data),
  }
}

/** An event read from its job. */
export interface ReadEvent {
  readonly event: InboxEvent
  readonly replays: number
  /** Why the job's data is unreadable. If set, `event` contains only what is known. */
  readonly unreadable?: unknown
}

export function readEvent(job: { readonly id: string; readonly name: string; readonly data: unknown }): ReadEvent {
  try {
    const data = readJobData(job.data)
    if (bodyOf(data) === undefined) throw new Error('it has no body')
    return { event: fromEventJson(data), replays: data.replays ?? 0 }
  } catch (error) {
    return { event: fromEventJson(unreadableData(job)), replays: 0, unreadable: error }
  }
}

/** Data for `list` and `get`, which also show unreadable events. */
function shownData({ id, queue, data }: JobRow): JobData {
  try {
    return readJobData(data)
  } catch {
    return unreadableData({ id, name: nameOfQueue(queue), data })
  }
}

/** What is known about an event with unreadable data. */
function unreadableData({ id, name, data }: { id: string; name: string; data: unknown }): JobData {
  const { eventId } = Object(withoutThrowing(() => parseJson(data))) as { readonly eventId?: unknown }
  const known = { eventId: typeof eventId === 'string' ? eventId : id, eventType: 'unreadable', messageId: id }
  return { name, ...known, sentAt: 0, receivedAt: 0, secretIndex: 0 }
}

function outputOf({ output }: JobRow): Partial<JobOutput> | undefined {
  const parsed = output === null ? undefined : withoutThrowing(() => parseJson(output))
  return parsed === undefined || parsed === null ? undefined : Object(parsed)
}

/** pg-boss keeps the output of the last attempt: ours, or its own if it ended the attempt itself. */
function lastAttempt(row: JobRow, { replays = 0 }: JobData): readonly InboxAttemptRecord[] {
  const output = outputOf(row)
  if (output === undefined) return []
  if (typeof output.attempt !== 'number') {
    const startedAt = timeOf(row.started_on ?? row.start_after) ?? new Date(0)
    return [{ attempt: Number(row.retry_count) + 1, replay: replays, startedAt, durationMs: 0, error: leaseEnded }]
  }
  const { attempt, replay = 0, startedAt = 0, durationMs = 0, error } = output
  return [{ attempt, replay, startedAt: toDate(startedAt), durationMs, ...(error && { error }) }]
}

/** Parses a column that contains milliseconds since 1970. */
export function timeOf(column: string | null): Date | undefined {
  return column === null ? undefined : toDate(Number(column))
}

/** Neither prefixes nor names contain a slash. */
function nameOfQueue(queue: string): string {
  return queue.slice(queue.indexOf('/') + 1)
}

function withoutThrowing<Value>(compute: () => Value): Value | undefined {
  try {
    return compute()
  } catch {
    return undefined
  }
}
