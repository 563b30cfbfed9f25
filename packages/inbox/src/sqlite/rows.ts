import type { SQLInputValue } from 'node:sqlite'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import { keyText } from '@scrapenest-webhooks/core/adapter'
import type {
  AttemptError,
  InboxAttemptRecord,
  InboxFilter,
  InboxRecord,
  InboxState,
  InboxSummary,
} from '../contract.ts'
import type { ClaimedEvent } from '../event-store.ts'
import { toStorableText } from '../storable-text.ts'
import { type ExactNames, readEnvelope } from '../store/event-json.ts'

/** A row of `events`, named as in the SQL. */
export interface EventRow {
  readonly id: number
  readonly name: string
  /** `scope` and `event_id` are `keyText`. */
  readonly scope: string
  readonly event_id: string
  readonly event_type: string
  /** Scope, id and type as JSON, if a column does not contain them exactly. */
  readonly exact: string | null
  readonly message_id: string
  readonly secret_index: number
  readonly sent_at_ms: number
  readonly received_at_ms: number
  readonly state: InboxState
  readonly is_unhandled: number
  readonly attempts: number
  readonly replays: number
  readonly due_at_ms: number | null
  readonly finished_at_ms: number | null
}

/** A row with its payload, which is null after it was dropped. */
export interface EventRowWithPayload extends EventRow {
  readonly signed_headers: string | null
  readonly body: Uint8Array | null
}

/** What an attempt needs of a row. */
export type ClaimedRow = Omit<
  EventRowWithPayload,
  'state' | 'is_unhandled' | 'replays' | 'due_at_ms' | 'finished_at_ms'
>

type Names = Pick<EventRow, 'scope' | 'event_id' | 'event_type' | 'exact'>
type Headers = Pick<EventRowWithPayload, 'signed_headers'>

export interface AttemptRow {
  readonly attempt: number
  readonly replay: number
  readonly startedAtMs: number
  readonly durationMs: number
  readonly error: string | null
}

/** Parameters of a statement. Only types that every version of node:sqlite can bind. */
export type Parameters = Record<string, SQLInputValue>

/** The values of an event, in the order of the columns in `insertEvent`. */
export function toColumns(event: InboxEvent): readonly SQLInputValue[] {
  const { name, scope = '', eventId, eventType, messageId, secretIndex, sentAt, receivedAt } = event
  const keys = { scope: keyText(scope), eventId: keyText(eventId) }
  const type = toStorableText(eventType)
  const isExact = keys.scope === scope && keys.eventId === eventId && type === eventType
  const exact = isExact ? null : JSON.stringify([scope, eventId, eventType])
  return [name, keys.scope, keys.eventId, type, exact, messageId, secretIndex, sentAt.getTime(), receivedAt.getTime()]
}

/** All conditions except `eventId`, which has an index and therefore separate statements. */
export function toConditions(filter: InboxFilter): Parameters {
  return {
    name: filter.name ?? null,
    scope: filter.scope === undefined ? null : keyText(filter.scope),
    eventType: filter.eventType === undefined ? null : toStorableText(filter.eventType),
    state: filter.state ?? null,
    // Node 22 cannot bind booleans.
    isUnhandled: filter.isUnhandled === undefined ? null : Number(filter.isUnhandled),
    receivedFromMs: filter.receivedFrom?.getTime() ?? null,
    receivedBeforeMs: filter.receivedBefore?.getTime() ?? null,
    finishedBeforeMs: filter.finishedBefore?.getTime() ?? null,
  }
}

/** An event as its handlers receive it. `unreadable` if the row was modified and no longer holds an event. */
export function toEvent(row: ClaimedRow): Pick<ClaimedEvent, 'event' | 'unreadable'> {
  const { scope, eventId, eventType } = namesOf(row)
  const signedHeaders = readHeaders(row)
  const unscoped = {
    name: row.name,
    eventId,
    eventType,
    messageId: row.message_id,
    sentAt: new Date(row.sent_at_ms),
    receivedAt: new Date(row.received_at_ms),
    signedHeaders: signedHeaders ?? {},
    body: row.body ?? new Uint8Array(),
    secretIndex: row.secret_index,
  }
  const event = scope === '' ? unscoped : { ...unscoped, scope }
  if (row.body === null) return { event, unreadable: new Error('The body is missing.') }
  if (signedHeaders === undefined) return { event, unreadable: new Error('The signed headers are not a JSON object.') }
  return { event }
}

function readHeaders({ signed_headers: text }: Headers): Readonly<Record<string, string>> | undefined {
  const headers = parse(text)
  const isObject = typeof headers === 'object' && headers !== null && !Array.isArray(headers)
  return isObject ? (headers as Record<string, string>) : undefined
}

/** `undefined` if there is no text, or if it is not JSON. */
function parse(text: string | null): unknown {
  // Almost every event has a NULL column, and creating an error is slow.
  if (text === null) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Scope, id and type as received. */
function namesOf({ scope, event_id: eventId, event_type: eventType, exact }: Names): ExactNames {
  const names = parse(exact)
  if (!Array.isArray(names)) return { scope, eventId, eventType }
  const [exactScope, exactId, exactType] = names as [string, string, string]
  return { scope: exactScope, eventId: exactId, eventType: exactType }
}

export function toSummary(row: EventRow): InboxSummary {
  return {
    name: row.name,
    ...namesOf(row),
    messageId: row.message_id,
    state: row.state,
    isUnhandled: row.is_unhandled === 1,
    attempts: row.attempts,
    replays: row.replays,
    sentAt: new Date(row.sent_at_ms),
    receivedAt: new Date(row.received_at_ms),
    dueAt: row.due_at_ms === null ? undefined : new Date(row.due_at_ms),
    finishedAt: row.finished_at_ms === null ? undefined : new Date(row.finished_at_ms),
  }
}

export function toRecord(row: EventRowWithPayload, attempts: readonly AttemptRow[]): InboxRecord {
  return {
    ...toSummary(row),
    body: row.body ?? undefined,
    envelope: row.body === null ? undefined : readEnvelope(row.body),
    signedHeaders: readHeaders(row),
    secretIndex: row.secret_index,
    history: attempts.map(toAttempt),
  }
}

/** Replaces a stored error that was modified in the file and is no longer JSON. */
const unreadableError: AttemptError = {
  code: 'handler_failed',
  name: 'Error',
  message: 'The stored error cannot be read.',
}

function toAttempt({ attempt, replay, startedAtMs, durationMs, error }: AttemptRow): InboxAttemptRecord {
  return {
    attempt,
    replay,
    startedAt: new Date(startedAtMs),
    durationMs,
    error: error === null ? undefined : ((parse(error) as AttemptError | undefined) ?? unreadableError),
  }
}
