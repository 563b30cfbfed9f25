import type { DatabaseSync, StatementSync } from 'node:sqlite'

/**
 * Selects by an `InboxFilter`. A condition with a NULL parameter is true for every row. One statement serves all filters,
 * because lists are read in slices of ids and need no other index.
 */
const fits = `
  (:name IS NULL OR name = :name) AND (:scope IS NULL OR scope = :scope)
  AND (:eventType IS NULL OR event_type = :eventType)
  AND (:state IS NULL OR state = :state) AND (:isUnhandled IS NULL OR is_unhandled = :isUnhandled)
  AND (:receivedFromMs IS NULL OR received_at_ms >= :receivedFromMs)
  AND (:receivedBeforeMs IS NULL OR received_at_ms < :receivedBeforeMs)
  AND (:finishedBeforeMs IS NULL OR finished_at_ms < :finishedBeforeMs)`

const inSlice = `id >= :fromId AND id < :untilId AND ${fits}`

const fitsAndIsFinal = `id = :id AND ${fits} AND state IN ('done', 'dead')`

/**
 * The rows of one event id, one per receiver and scope. SQLite only uses a partial index if the query repeats its condition.
 */
const identified = `
  SELECT id FROM events WHERE event_id = :eventId AND finished_at_ms IS NULL
  UNION ALL SELECT id FROM events WHERE event_id = :eventId AND finished_at_ms IS NOT NULL`

/** A claimed event with its payload. Without the columns that only records need, because this is read for each attempt. */
const claimedEvent = `
  id, name, scope, event_id, event_type, exact, message_id, secret_index, sent_at_ms, received_at_ms, attempts,
  (SELECT signed_headers FROM payloads WHERE event = events.id) AS signed_headers,
  (SELECT body FROM payloads WHERE event = events.id) AS body`

type StatementName =
  | 'dataVersion'
  | 'insertEvent'
  | 'insertPayload'
  | 'discardEvent'
  | 'discardCounts'
  | 'nextDue'
  | 'expired'
  | 'claim'
  | 'event'
  | 'renew'
  | 'correctReady'
  | 'correctRunning'
  | 'insertAttempt'
  | 'end'
  | 'deletePayload'
  | 'identify'
  | 'identifyOne'
  | 'history'
  | 'firstFrom'
  | 'lastIdBefore'
  | 'latestOfId'
  | 'latestInSlice'
  | 'idsInSlice'
  | 'replay'
  | 'makeDue'
  | 'isFinal'
  | 'delete'
  | 'counts'
  | 'names'
  | 'oldestReady'
  | 'pages'
  | 'freePages'
  | 'giveBackPages'
  | 'emptyLog'

const sql: Readonly<Record<StatementName, string>> = {
  dataVersion: 'PRAGMA data_version',
  // Positional parameters in these two, `insertAttempt`, `end` and `deletePayload`, which run for each event. Binding by name
  // costs a lookup each time.
  insertEvent: `
    INSERT INTO events (due_at_ms, scheduled_at_ms, name, scope, event_id, event_type, exact, message_id, secret_index, sent_at_ms,
      received_at_ms, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'ready')
    ON CONFLICT DO NOTHING`,
  insertPayload: 'INSERT INTO payloads (event, signed_headers, body) VALUES (?, ?, ?)',
  // Also deletes the event's payload and attempts. Its row in `counts` remains, at 0.
  discardEvent: 'DELETE FROM events WHERE id = :id',
  discardCounts: 'DELETE FROM counts WHERE name = :name',

  nextDue: `
    SELECT min(due_at_ms) AS dueAtMs FROM (
      SELECT * FROM (SELECT due_at_ms FROM events WHERE name = :name AND state = 'ready' ORDER BY due_at_ms LIMIT 1)
      UNION ALL
      SELECT * FROM (SELECT due_at_ms FROM events WHERE name = :name AND state = 'running' ORDER BY due_at_ms LIMIT 1))`,
  // A hundred at a time. The next claim handles the rest.
  expired: `
    SELECT ${claimedEvent}, lease_token AS token, claimed_at_ms AS startedAtMs FROM events
    WHERE name = :name AND state = 'running' AND due_at_ms <= :nowMs ORDER BY due_at_ms LIMIT 100`,
  claim: `
    UPDATE events SET state = 'running', attempts = attempts + 1, lease_token = :token, due_at_ms = :leaseEndsAtMs,
      claimed_at_ms = :nowMs, scheduled_at_ms = :nowMs
    WHERE id IN (
      SELECT id FROM events WHERE name = :name AND state = 'ready' AND due_at_ms <= :nowMs ORDER BY due_at_ms, id LIMIT :limit)
    RETURNING ${claimedEvent}`,
  event: `
    SELECT events.*, signed_headers, body FROM events LEFT JOIN payloads ON payloads.event = events.id WHERE id = :id`,
  renew:
    "UPDATE events SET due_at_ms = :endsAtMs, scheduled_at_ms = :nowMs WHERE id = :id AND lease_token = :token AND state = 'running'",
  // One for each partial index.
  correctReady: `
    UPDATE events SET due_at_ms = :nowMs, scheduled_at_ms = :nowMs
    WHERE name = :name AND state = 'ready' AND due_at_ms > :nowMs AND scheduled_at_ms > :latestMs`,
  correctRunning: `
    UPDATE events SET due_at_ms = :nowMs, scheduled_at_ms = :nowMs
    WHERE name = :name AND state = 'running' AND due_at_ms > :nowMs AND scheduled_at_ms > :latestMs`,
  // Inserts nothing if the lease was lost.
  insertAttempt: `
    INSERT INTO attempts (event, sequence, attempt, replay, started_at_ms, duration_ms, error)
    SELECT id, (SELECT coalesce(max(sequence), 0) + 1 FROM attempts WHERE event = id), attempts, replays, ?, ?, ?
    FROM events WHERE id = ? AND lease_token = ? AND state = 'running'`,
  end: `
    UPDATE events SET state = ?, is_unhandled = ?, due_at_ms = ?, scheduled_at_ms = ?, finished_at_ms = ?,
      attempts = attempts - ?, lease_token = NULL
    WHERE id = ?`,
  deletePayload: 'DELETE FROM payloads WHERE event = ?',

  identify: `SELECT id FROM events WHERE id IN (${identified}) AND (:name IS NULL OR name = :name)
    AND (:scope IS NULL OR scope = :scope)`,
  identifyOne: `SELECT id FROM events WHERE id IN (${identified}) AND name = :name AND scope = :scope`,
  history: `
    SELECT attempt, replay, started_at_ms AS startedAtMs, duration_ms AS durationMs, error FROM attempts
    WHERE event = :id ORDER BY sequence`,
  firstFrom: 'SELECT id, received_at_ms FROM events WHERE id >= :fromId ORDER BY id LIMIT 1',
  lastIdBefore: 'SELECT max(id) AS id FROM events WHERE id < :untilId',
  latestOfId: `
    SELECT * FROM events WHERE id IN (${identified}) AND id < :untilId AND ${fits} ORDER BY id DESC LIMIT :limit`,
  latestInSlice: `SELECT * FROM events WHERE ${inSlice} ORDER BY id DESC LIMIT :limit`,
  idsInSlice: `SELECT id FROM events WHERE ${inSlice} ORDER BY id LIMIT :limit`,
  replay: `
    UPDATE events SET state = 'ready', due_at_ms = :nowMs, scheduled_at_ms = :nowMs, finished_at_ms = NULL, is_unhandled = 0, attempts = 0,
      replays = replays + 1
    WHERE ${fitsAndIsFinal} AND EXISTS (SELECT 1 FROM payloads WHERE event = events.id)`,
  makeDue: `
    UPDATE events SET due_at_ms = :nowMs, scheduled_at_ms = :nowMs
    WHERE id = :id AND ${fits} AND state = 'ready' AND due_at_ms > :nowMs`,
  isFinal: `SELECT 1 FROM events WHERE ${fitsAndIsFinal}`,
  delete: `DELETE FROM events WHERE ${fitsAndIsFinal}`,

  counts: 'SELECT kind, sum(events) AS events FROM counts WHERE :name IS NULL OR name = :name GROUP BY kind',
  names: 'SELECT DISTINCT name FROM counts WHERE :name IS NULL OR name = :name',
  oldestReady: `
    SELECT due_at_ms AS dueAtMs FROM events WHERE name = :name AND state = 'ready' AND due_at_ms <= :nowMs
    ORDER BY due_at_ms LIMIT 1`,

  pages: 'PRAGMA page_count',
  freePages: 'PRAGMA freelist_count',
  // Returns one row per page and must be read to the end. Does nothing in a file without `auto_vacuum`.
  giveBackPages: 'PRAGMA incremental_vacuum(250)',
  emptyLog: 'PRAGMA wal_checkpoint(TRUNCATE)',
}

export type Statements = Readonly<Record<StatementName, StatementSync>>

export function prepareStatements(db: DatabaseSync): Statements {
  const prepared: [string, StatementSync][] = []
  for (const [name, text] of Object.entries(sql)) prepared.push([name, db.prepare(text)])
  // Every name in `sql` has been prepared.
  return Object.fromEntries(prepared) as Statements
}
