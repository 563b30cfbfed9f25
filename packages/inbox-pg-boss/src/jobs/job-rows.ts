import type { InboxAttemptRecord, InboxFilter, InboxRecord, InboxState, InboxSummary } from '@scrapenest-webhooks/inbox'
import { bodyOf, exactNames, keyText, leaseEnded, readEnvelope, toStorableText } from '@scrapenest-webhooks/inbox/kit'
import { type JobData, type JobOutput, jobIdOf } from './job-data.ts'

/** A row of pg-boss's table of jobs, with its own column names. */
export interface JobRow {
  readonly id: string
  readonly data: JobData
  readonly state: 'created' | 'retry' | 'active' | 'completed' | 'cancelled' | 'failed'
  readonly retry_count: number
  readonly start_after: Date
  readonly started_on: Date | null
  readonly completed_on: Date | null
  readonly heartbeat_on: Date | null
  readonly heartbeat_seconds: number | null
  readonly output: Partial<JobOutput> | null
  /** Microseconds since 1970: a Date has only milliseconds, and pages must not overlap. */
  readonly created_us: string
}

export const rowColumns: string =
  'id, data, state, retry_count, start_after, started_on, completed_on, heartbeat_on, heartbeat_seconds, output, ' +
  '(extract(epoch FROM created_on) * 1000000)::bigint AS created_us'

export const cursorForm: RegExp = /^[0-9]{1,17}_[0-9a-f-]{36}$/

export function cursorOf({ created_us: createdUs, id }: JobRow): string {
  return `${createdUs}_${id}`
}

/** pg-boss's states, in the order of its enum, by the state an event has in them. */
const stateOf = {
  created: 'ready',
  retry: 'ready',
  active: 'running',
  completed: 'done',
  // By an operator, with pg-boss's own tools.
  cancelled: 'dead',
  failed: 'dead',
} as const satisfies Record<JobRow['state'], InboxState>

/** The SQL condition of a filter. Its first value is the queues. */
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
    // The id of a job includes the name, so without a name each queue has one of its own.
    const names = name === undefined ? queues.map((queue) => queue.slice(queue.indexOf('/') + 1)) : [name]
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
    add("(state = 'completed' AND COALESCE((output->>'isUnhandled')::boolean, false)) = ?", isUnhandled)
  }
  if (receivedFrom !== undefined) add("(data->>'receivedAt')::bigint >= ?", receivedFrom.getTime())
  if (receivedBefore !== undefined) add("(data->>'receivedAt')::bigint < ?", receivedBefore.getTime())
  if (finishedBefore !== undefined) add("state >= 'completed' AND completed_on < ?", finishedBefore)
  return { where: conditions.join(' AND '), values }
}

export function toSummary(row: JobRow): InboxSummary {
  const { data, output, start_after: startAfter, completed_on: completedOn } = row
  const state = stateOf[row.state]
  const isFinal = state === 'done' || state === 'dead'
  const dueAt = state === 'running' ? leaseEnd(row) : startAfter
  return {
    name: data.name,
    ...exactNames(data),
    messageId: data.messageId,
    state,
    isUnhandled: state === 'done' && output?.isUnhandled === true,
    // pg-boss counts retries, starting with the second claim. A job that was given back has no start.
    attempts: row.started_on === null ? row.retry_count : row.retry_count + 1,
    replays: data.replays ?? 0,
    sentAt: new Date(data.sentAt),
    receivedAt: new Date(data.receivedAt),
    ...(isFinal || dueAt === undefined ? {} : { dueAt }),
    ...(isFinal && completedOn !== null ? { finishedAt: completedOn } : {}),
  }
}

export function toRecord(row: JobRow): InboxRecord {
  const body = bodyOf(row.data)
  return {
    ...toSummary(row),
    body,
    envelope: body === undefined ? undefined : readEnvelope(body),
    signedHeaders: row.data.signedHeaders,
    secretIndex: row.data.secretIndex,
    history: lastAttempt(row),
  }
}

function leaseEnd({ heartbeat_on: heartbeatOn, heartbeat_seconds: heartbeatSeconds }: JobRow): Date | undefined {
  if (heartbeatOn === null || heartbeatSeconds === null) return undefined
  return new Date(heartbeatOn.getTime() + heartbeatSeconds * 1000)
}

/** pg-boss keeps the output of the last attempt: ours, or its own if pg-boss ended the attempt. */
function lastAttempt(row: JobRow): readonly InboxAttemptRecord[] {
  const { output, retry_count: retryCount, started_on: startedOn, data } = row
  if (output === null) return []
  if (output.attempt === undefined) {
    const startedAt = startedOn ?? row.start_after
    return [{ attempt: retryCount + 1, replay: data.replays ?? 0, startedAt, durationMs: 0, error: leaseEnded }]
  }
  const { attempt, replay = 0, startedAt = 0, durationMs = 0, error } = output
  return [{ attempt, replay, startedAt: new Date(startedAt), durationMs, ...(error && { error }) }]
}
