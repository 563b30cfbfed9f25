import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import { type EventIdentity, keyText } from '@scrapenest-webhooks/core/adapter'
import type { InboxCapabilities, InboxFilter, InboxPage, InboxRecord, InboxStats, ReplayResult } from '../contract.ts'
import type { Claim, ClaimedEvent, ClaimRequest, Ending, EventStore, ExpiredAttempt, Lease } from '../event-store.ts'
import { checkEnding } from '../times.ts'
import { isFileFault, isFull, isLocked, toInboxError } from './errors.ts'
import { canBeShared, SqliteFile, type SqliteFileOptions } from './file.ts'
import { GroupCommit, lockRetryMs } from './group-commit.ts'
import {
  type AttemptRow,
  type ClaimedRow,
  type EventRow,
  type EventRowWithPayload,
  type Parameters,
  toColumns,
  toConditions,
  toEvent,
  toRecord,
  toSummary,
} from './rows.ts'
import { type Found, idsFrom, latestBefore, type Slice, type Step } from './slices.ts'
import { prepareStatements, type Statements } from './statements.ts'

export type SqliteStoreOptions = Omit<SqliteFileOptions<Statements>, 'prepare'>

/**
 * How long an operation waits for another process's lock, in milliseconds. The sender waits ten seconds, and a retry is
 * cheap.
 */
const lockTimeoutMs = 1000

/** How long a list reads slices before it yields to the event loop, in milliseconds. */
const maxReadMs = 2

interface PageRequest {
  readonly limit: number
  readonly cursor: string | undefined
}

/** Events in one SQLite file. Writes in the same turn of the event loop share a transaction. */
export class SqliteStore implements EventStore {
  readonly capabilities: InboxCapabilities = {
    isDurable: true,
    isShared: canBeShared(process.versions['sqlite'] ?? '0'),
    attempts: 'every',
    listOrder: 'stored',
  }
  readonly #path: string
  readonly #file: SqliteFile<Statements>
  readonly #writes: GroupCommit<Statements>
  /** Replaced by `close` to stop replays and purges of the earlier session. */
  #session: object = {}
  /** Lists in progress. */
  readonly #lists = new Set<Promise<InboxPage>>()

  constructor(options: SqliteStoreOptions) {
    const file = new SqliteFile({ ...options, prepare: prepareStatements })
    this.#path = options.file
    this.#file = file
    this.#writes = new GroupCommit({
      transact: (work) => file.transact(work),
      isLocked,
      isStoreFault: isFileFault,
      versionOf: ({ dataVersion }) => dataVersion.get()?.['data_version'],
      lockTimeoutMs,
    })
  }

  async open(): Promise<void> {
    await this.#read(() => undefined)
  }

  problems(): readonly Error[] {
    return this.#file.problems()
  }

  async close(): Promise<void> {
    // Stops replays and purges after their current step. The next one would open the file again.
    this.#session = {}
    await this.#writes.settled()
    // Otherwise the next slice of a list would open the file again.
    await Promise.allSettled(this.#lists)
    this.#file.close()
  }

  async put(event: InboxEvent, { nowMs }: { readonly nowMs: number }): Promise<'stored' | 'duplicate'> {
    const columns = toColumns(event)
    const signedHeaders = JSON.stringify(event.signedHeaders)
    return await this.#write((statements) => {
      const { changes, lastInsertRowid } = statements.insertEvent.run(nowMs, nowMs, ...columns)
      if (changes === 0) return 'duplicate'
      statements.insertPayload.run(lastInsertRowid, signedHeaders, event.body)
      return 'stored'
    })
  }

  /**
   * Stores an event like `put` and deletes it in the same transaction, so no other connection ever sees it. The transaction
   * is committed, because a rollback would not write to the disk.
   */
  async check(): Promise<void> {
    const columns = toColumns(checkEvent)
    await this.#write((statements) => {
      const { lastInsertRowid: id } = statements.insertEvent.run(0, 0, ...columns)
      statements.insertPayload.run(id, '{}', checkEvent.body)
      statements.discardEvent.run({ id })
      statements.discardCounts.run({ name: checkEvent.name })
    })
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    const { name, nowMs } = request
    if (!this.#writes.isWaiting) {
      // An idle worker only reads. With writes pending, there is no point in reading first: they may store events.
      const nextDueAtMs = await this.#read((statements) => nextDue(statements, name))
      if (nextDueAtMs === undefined || nextDueAtMs > nowMs) return { claimed: [], nextDueAtMs }
    }
    return await this.#write((statements) => ({
      claimed: claimReady(statements, request),
      nextDueAtMs: nextDue(statements, name),
    }))
  }

  async expired(name: string, { nowMs }: { readonly nowMs: number }): Promise<readonly ExpiredAttempt[]> {
    return await this.#read((statements) =>
      (statements.expired.all({ name, nowMs }) as unknown as ExpiredRow[]).map((row) => ({
        ...toClaimed(row, row.token),
        startedAtMs: row.startedAtMs,
      })),
    )
  }

  async correctTimes(name: string, times: { readonly nowMs: number; readonly latestMs: number }): Promise<void> {
    await this.#write(({ correctReady, correctRunning }) => {
      for (const correct of [correctReady, correctRunning]) correct.run({ name, ...times })
    })
  }

  async renew(
    leases: readonly Lease[],
    times: { readonly nowMs: number; readonly endsAtMs: number },
  ): Promise<ReadonlySet<string>> {
    return await this.#write((statements) => {
      const held = leases.filter((lease) => statements.renew.run({ ...leaseParameters(lease), ...times }).changes === 1)
      return new Set(held.map(({ id }) => id))
    })
  }

  async end(lease: Lease, ending: Ending): Promise<boolean> {
    checkEnding(ending)
    const { id, token } = leaseParameters(lease)
    const { state, startedAtMs, nowMs } = ending
    const error = ending.error === undefined ? null : JSON.stringify(ending.error)
    const durationMs = Math.max(0, nowMs - startedAtMs)
    const isUnhandled = Number(state === 'done' && ending.isUnhandled)
    const dueAtMs = state === 'ready' ? ending.dueAtMs : null
    const finishedAtMs = state === 'ready' ? null : nowMs
    const givenBack = Number(state === 'ready' && !ending.isCounted)
    return await this.#write((statements) => {
      const { changes } = statements.insertAttempt.run(startedAtMs, durationMs, error, id, token)
      if (changes === 0) return false
      statements.end.run(state, isUnhandled, dueAtMs, nowMs, finishedAtMs, givenBack, id)
      if (state === 'done' && !ending.keepsPayload) statements.deletePayload.run(id)
      return true
    })
  }

  async list(filter: InboxFilter, page: PageRequest): Promise<InboxPage> {
    const list = this.#list(filter, page)
    this.#lists.add(list)
    try {
      return await list
    } finally {
      this.#lists.delete(list)
    }
  }

  async #list(filter: InboxFilter, { limit, cursor }: PageRequest): Promise<InboxPage> {
    const eventId = filter.eventId === undefined ? undefined : keyText(filter.eventId)
    const conditions = toConditions(filter)
    const rows: EventRow[] = []
    let untilId: number | undefined = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
    let readingSinceMs = performance.now()
    // One row more than fits on the page, to tell whether there is another page.
    while (untilId !== undefined && rows.length <= limit) {
      if (performance.now() - readingSinceMs > maxReadMs) {
        await nextTurn()
        readingSinceMs = performance.now()
      }
      const slice: Slice = { untilId, limit: limit + 1 - rows.length, conditions, eventId }
      const found: Found = await this.#read((statements) => latestBefore(statements, slice))
      rows.push(...found.rows)
      untilId = found.untilId
    }
    const page = rows.slice(0, limit)
    return {
      events: page.map(toSummary),
      ...(rows.length > limit ? { nextCursor: String(page.at(-1)?.id) } : {}),
    }
  }

  async get({ name, scope = '', eventId }: EventIdentity): Promise<InboxRecord | undefined> {
    const parameters = { name, scope: keyText(scope), eventId: keyText(eventId) }
    return await this.#read((statements) => {
      const id = statements.identifyOne.get(parameters)?.['id'] as number | undefined
      if (id === undefined) return undefined
      const attempts = statements.history.all({ id }) as unknown as AttemptRow[]
      return toRecord(readRow(statements, id), attempts)
    })
  }

  async stats(name: string | undefined, { nowMs }: { readonly nowMs: number }): Promise<InboxStats> {
    return await this.#read((statements) => readStats(statements, { name, nowMs }))
  }

  async replay(filter: InboxFilter, { nowMs }: { readonly nowMs: number }): Promise<ReplayResult> {
    const conditions = toConditions(filter)
    let replayed = 0
    let withoutPayload = 0
    for await (const ids of this.#steps(filter)) {
      const step = await this.#write((statements) => replayStep(statements, { ids, nowMs, conditions }))
      replayed += step.replayed
      withoutPayload += step.withoutPayload
    }
    return { replayed, withoutPayload }
  }

  async purge(filter: InboxFilter, { signal }: { readonly signal?: AbortSignal } = {}): Promise<number> {
    const conditions = toConditions(filter)
    let purged = 0
    for await (const ids of this.#steps(filter, signal)) {
      const deleteStep = (statements: Statements): number => {
        let deleted = 0
        for (const id of ids) deleted += Number(statements.delete.run({ id, ...conditions }).changes)
        return deleted
      }
      purged += await this.#write(deleteStep).catch((error: unknown) => {
        // After that error the log was emptied, which may have made room.
        if (isFull(error)) return this.#write(deleteStep)
        throw error
      })
    }
    if (purged > 0) await this.#shrink(signal)
    return purged
  }

  /**
   * Returns free pages to the file system in steps. Keeps some for the next events, because a file that keeps growing and
   * shrinking writes each page more often.
   */
  async #shrink(signal: AbortSignal | undefined): Promise<void> {
    let hasShrunk = false
    try {
      const session = this.#session
      while (signal?.aborted !== true && session === this.#session) {
        const startedAtMs = performance.now()
        if (!(await this.#write(giveBackPages))) break
        hasShrunk = true
        await pauseAfter(startedAtMs)
      }
      // The file is truncated only when its log is copied into it.
      if (hasShrunk) this.#file.use(({ emptyLog }) => emptyLog.get())
    } catch {
      // The events have been purged anyway. The next purge returns the remaining pages.
    }
  }

  /**
   * Yields the ids of the selected events in steps, with pauses that let other work on the file go first, in this process or
   * another.
   */
  async *#steps(filter: InboxFilter, signal?: AbortSignal): AsyncGenerator<readonly number[]> {
    if (filter.eventId !== undefined) {
      const { name = null, scope = null } = toConditions(filter)
      const parameters = { eventId: keyText(filter.eventId), name, scope }
      yield await this.#read(({ identify }) => identify.all(parameters).map(({ id }) => id as number))
      return
    }
    const conditions = toConditions(filter)
    const finishedBeforeMs = filter.finishedBefore?.getTime()
    let fromId: number | undefined = 0
    const session = this.#session
    while (fromId !== undefined && signal?.aborted !== true && session === this.#session) {
      const from: number = fromId
      const step: Step = await this.#read((statements) => idsFrom(statements, from, { conditions, finishedBeforeMs }))
      const startedAtMs = performance.now()
      if (step.ids.length > 0) yield step.ids
      await pauseAfter(startedAtMs)
      fromId = step.nextId
    }
  }

  async #write<Result>(operation: (statements: Statements) => Result): Promise<Result> {
    try {
      return await this.#writes.run(operation)
    } catch (error) {
      throw toInboxError(error, this.#path)
    }
  }

  /**
   * Retries while the file is locked. In WAL mode, only a process that opened the file exclusively or is recovering its log
   * blocks readers.
   */
  async #read<Result>(read: (statements: Statements) => Result): Promise<Result> {
    const giveUpAtMs = performance.now() + lockTimeoutMs
    for (;;) {
      try {
        return this.#file.read(read)
      } catch (error) {
        if (!isLocked(error) || performance.now() > giveUpAtMs) throw toInboxError(error, this.#path)
        await sleep(lockRetryMs())
      }
    }
  }
}

/** Pauses between the steps of a long task, so that it takes only about a fifth of the time. */
async function pauseAfter(startedAtMs: number): Promise<void> {
  await sleep(Math.min(100, 1 + 4 * (performance.now() - startedAtMs)))
}

/** Returns free pages if they take up at least a mebibyte and more than a quarter of the file. @returns whether it did. */
function giveBackPages({ pages, freePages, giveBackPages }: Statements): boolean {
  const countFree = (): number => Number(freePages.get()?.['freelist_count'])
  const freeBefore = countFree()
  if (freeBefore < 256 || freeBefore <= Number(pages.get()?.['page_count']) / 4) return false
  giveBackPages.all()
  return countFree() < freeBefore
}

/** The event that `check` stores. No receiver has an empty name. The body fills a page, like those of real events. */
const checkEvent: InboxEvent = {
  name: '',
  eventId: '',
  eventType: '',
  messageId: '',
  sentAt: new Date(0),
  receivedAt: new Date(0),
  signedHeaders: {},
  body: new Uint8Array(4096),
  secretIndex: 0,
}

function leaseParameters({ id, token }: Lease): { readonly id: number; readonly token: string } {
  return { id: Number(id), token }
}

function nextDue(statements: Statements, name: string): number | undefined {
  return (statements.nextDue.get({ name })?.['dueAtMs'] as number | null | undefined) ?? undefined
}

function readRow(statements: Statements, id: number): EventRowWithPayload {
  return statements.event.get({ id }) as unknown as EventRowWithPayload
}

/** Starts counting from 0, because an operation may run twice. */
function replayStep(
  statements: Statements,
  {
    ids,
    nowMs,
    conditions,
  }: { readonly ids: readonly number[]; readonly nowMs: number; readonly conditions: Parameters },
): ReplayResult {
  let replayed = 0
  let withoutPayload = 0
  for (const id of ids) {
    const parameters = { id, nowMs, ...conditions }
    const { changes } = statements.replay.run(parameters)
    if (changes === 1 || statements.makeDue.run(parameters).changes === 1) replayed += 1
    else if (statements.isFinal.get({ id, ...conditions }) !== undefined) withoutPayload += 1
  }
  return { replayed, withoutPayload }
}

interface ExpiredRow extends ClaimedRow {
  readonly token: string
  readonly startedAtMs: number
}

function claimReady(statements: Statements, request: ClaimRequest): ClaimedEvent[] {
  const { name, limit, token, nowMs, leaseEndsAtMs } = request
  const rows = statements.claim.all({ name, limit, token, nowMs, leaseEndsAtMs }) as unknown as ClaimedRow[]
  // RETURNING has no defined order; smaller ids are older.
  rows.sort((one, other) => one.id - other.id)
  return rows.map((row) => toClaimed(row, token))
}

function toClaimed(row: ClaimedRow, token: string): ClaimedEvent {
  return { ...toEvent(row), lease: { id: String(row.id), token }, attempt: row.attempts }
}

function readStats(
  statements: Statements,
  { name, nowMs }: { readonly name: string | undefined; readonly nowMs: number },
): InboxStats {
  const counts = new Map<string, number>()
  for (const row of statements.counts.all({ name: name ?? null }))
    counts.set(String(row['kind']), Number(row['events']))
  const count = (kind: string): number => counts.get(kind) ?? 0
  let oldestReadyMs = Number.POSITIVE_INFINITY
  for (const row of statements.names.all({ name: name ?? null })) {
    const dueAtMs = statements.oldestReady.get({ name: row['name'] as string, nowMs })?.['dueAtMs']
    if (typeof dueAtMs === 'number') oldestReadyMs = Math.min(oldestReadyMs, dueAtMs)
  }
  return {
    ready: count('ready'),
    running: count('running'),
    done: count('done') + count('unhandled'),
    dead: count('dead'),
    unhandled: count('unhandled'),
    ...(Number.isFinite(oldestReadyMs) ? { oldestReadyAt: new Date(oldestReadyMs) } : {}),
  }
}
