// A custom inbox: a file with one line of JSON per change, synced before the change counts. An event's last line is its
// current state. The inbox reads the file at startup, never shortens it, and visits every event for every query.
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type AttemptError,
  type Inbox,
  type InboxCapabilities,
  type InboxEvent,
  type InboxFilter,
  type InboxOptions,
  type InboxPage,
  type InboxRecord,
  type InboxState,
  type InboxStats,
  type InboxSummary,
  InboxUnavailableError,
  type ReplayResult,
} from '@scrapenest-webhooks/inbox'
import {
  bodyOf,
  type Claim,
  type ClaimedEvent,
  type ClaimRequest,
  checkEnding,
  type Ending,
  type EventIdentity,
  type EventJson,
  type EventStore,
  type ExpiredAttempt,
  eventKey,
  exactNames,
  fitsFilter,
  fromEventJson,
  type Lease,
  readEnvelope,
  readInboxOptions,
  StoredInbox,
  toEventJson,
  withoutPayload,
} from '@scrapenest-webhooks/inbox/kit'

/** An inbox in one file, for one process. */
export function fileInbox({ path, ...options }: InboxOptions & { readonly path: string }): Inbox {
  return new StoredInbox(new FileStore(path), readInboxOptions(options))
}

/** A line of the file. Times are in milliseconds since 1970. */
interface Row {
  readonly id: number
  readonly event: EventJson
  readonly state: InboxState | 'purged'
  readonly isUnhandled: boolean
  readonly attempts: number
  readonly replays: number
  /** When the event may be claimed. While it runs, when its lease expires. */
  readonly dueAtMs: number
  readonly claimedAtMs: number
  readonly finishedAtMs: number
  readonly token: string | null
  readonly history: readonly Attempt[]
}

interface Attempt {
  readonly attempt: number
  readonly replay: number
  readonly startedAtMs: number
  readonly durationMs: number
  readonly error?: AttemptError | undefined
}

class FileStore implements EventStore {
  readonly capabilities: InboxCapabilities = {
    isDurable: true,
    isShared: false,
    attempts: 'every',
    listOrder: 'stored',
  }
  readonly #path: string
  readonly #rows = new Map<number, Row>()
  #file: FileHandle | undefined
  #lastTurn: Promise<unknown> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  async open(): Promise<void> {
    await this.#inTurn(async () => {})
  }

  async close(): Promise<void> {
    await this.#lastTurn
    await this.#file?.close()
    this.#file = undefined
  }

  async check(): Promise<void> {
    await this.#inTurn(() => this.#append('\n'))
  }

  async put(received: InboxEvent, { nowMs }: { readonly nowMs: number }): Promise<'stored' | 'duplicate'> {
    const event = toEventJson(received)
    return await this.#inTurn(async () => {
      if (this.#find(received) !== undefined) return 'duplicate'
      await this.#save({
        id: this.#rows.size + 1,
        event,
        state: 'ready',
        isUnhandled: false,
        attempts: 0,
        replays: 0,
        dueAtMs: nowMs,
        claimedAtMs: 0,
        finishedAtMs: 0,
        token: null,
        history: [],
      })
      return 'stored'
    })
  }

  async claim({ name, limit, token, nowMs, leaseEndsAtMs }: ClaimRequest): Promise<Claim> {
    return await this.#inTurn(async () => {
      const due = this.#waiting(name).filter(({ state, dueAtMs }) => state === 'ready' && dueAtMs <= nowMs)
      const claimed = due.slice(0, limit).map((row): Row => {
        const attempts = row.attempts + 1
        return { ...row, state: 'running', attempts, token, claimedAtMs: nowMs, dueAtMs: leaseEndsAtMs }
      })
      await this.#save(...claimed)
      return { claimed: claimed.map(toClaimed), nextDueAtMs: this.#waiting(name)[0]?.dueAtMs }
    })
  }

  async expired(name: string, { nowMs }: { readonly nowMs: number }): Promise<readonly ExpiredAttempt[]> {
    return await this.#inTurn(async () => {
      const ended = this.#waiting(name).filter(({ state, dueAtMs }) => state === 'running' && dueAtMs <= nowMs)
      return ended.map((row) => ({ ...toClaimed(row), startedAtMs: row.claimedAtMs }))
    })
  }

  async renew(leases: readonly Lease[], { endsAtMs }: { readonly endsAtMs: number }): Promise<ReadonlySet<string>> {
    return await this.#inTurn(async () => {
      const held = leases.map((lease) => this.#heldBy(lease)).filter((row) => row !== undefined)
      await this.#save(...held.map((row) => ({ ...row, dueAtMs: endsAtMs })))
      return new Set(held.map(({ id }) => String(id)))
    })
  }

  async end(lease: Lease, ending: Ending): Promise<boolean> {
    checkEnding(ending)
    return await this.#inTurn(async () => {
      const row = this.#heldBy(lease)
      if (row === undefined) return false
      await this.#save(ended(row, ending))
      return true
    })
  }

  async list(
    filter: InboxFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<InboxPage> {
    return await this.#inTurn(async () => {
      const found = this.#select(filter).filter(({ id }) => cursor === undefined || id < Number(cursor))
      const page = found.sort((one, other) => other.id - one.id).slice(0, limit)
      const events = page.map(toSummary)
      return found.length > limit ? { events, nextCursor: String(page.at(-1)?.id) } : { events }
    })
  }

  async get(identity: EventIdentity): Promise<InboxRecord | undefined> {
    return await this.#inTurn(async () => {
      const row = this.#find(identity)
      return row === undefined ? undefined : toRecord(row)
    })
  }

  async stats(name: string | undefined): Promise<InboxStats> {
    return await this.#inTurn(async () => {
      const rows = this.#select({ name })
      const count = (wanted: InboxState): number => rows.filter(({ state }) => state === wanted).length
      const dueAtMs = rows.filter(({ state }) => state === 'ready').map((row) => row.dueAtMs)
      return {
        ready: count('ready'),
        running: count('running'),
        done: count('done'),
        dead: count('dead'),
        unhandled: rows.filter(({ isUnhandled }) => isUnhandled).length,
        oldestReadyAt: dueAtMs.length === 0 ? undefined : new Date(Math.min(...dueAtMs)),
      }
    })
  }

  async replay(filter: InboxFilter, { nowMs }: { readonly nowMs: number }): Promise<ReplayResult> {
    return await this.#inTurn(async () => {
      const final = this.#select(filter).filter(isFinal)
      const replayed = final.filter(({ event }) => bodyOf(event) !== undefined)
      const fresh = { state: 'ready', isUnhandled: false, attempts: 0, dueAtMs: nowMs } as const
      await this.#save(...replayed.map((row) => ({ ...row, ...fresh, replays: row.replays + 1 })))
      return { replayed: replayed.length, withoutPayload: final.length - replayed.length }
    })
  }

  async purge(filter: InboxFilter): Promise<number> {
    return await this.#inTurn(async () => {
      const purged = this.#select(filter).filter(isFinal)
      await this.#save(...purged.map((row): Row => ({ ...row, state: 'purged', event: withoutPayload(row.event) })))
      return purged.length
    })
  }

  /** Runs work one at a time, so no decision depends on a change that is not on disk yet. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#lastTurn.then(async () => {
      this.#file ??= await this.#load()
      return await work()
    })
    this.#lastTurn = turn.catch(() => {})
    try {
      return await turn
    } catch (error) {
      throw new InboxUnavailableError('io_error', `${this.#path} could not be read or written.`, error)
    }
  }

  async #load(): Promise<FileHandle> {
    await mkdir(dirname(this.#path), { recursive: true })
    const file = await open(this.#path, 'a+', 0o600)
    this.#rows.clear()
    for (const line of (await file.readFile('utf8')).split('\n')) {
      const row = parsed(line)
      if (row !== undefined) this.#rows.set(row.id, row)
    }
    // A crash can lose a new file unless its directory is synced too.
    const directory = await open(dirname(this.#path))
    await directory.sync().finally(() => directory.close())
    return file
  }

  async #save(...rows: readonly Row[]): Promise<void> {
    if (rows.length === 0) return
    // Each line starts with a line break, so a line cut off by a crash stays separate and is skipped.
    await this.#append(rows.map((row) => `\n${JSON.stringify(row)}`).join(''))
    for (const row of rows) this.#rows.set(row.id, row)
  }

  async #append(text: string): Promise<void> {
    await this.#file?.appendFile(text)
    await this.#file?.datasync()
  }

  #find(identity: EventIdentity): Row | undefined {
    const key = eventKey(identity)
    return this.#select({ name: identity.name }).find((row) => eventKey(toSummary(row)) === key)
  }

  #select(filter: InboxFilter): Row[] {
    return [...this.#rows.values()].filter((row) => row.state !== 'purged' && fitsFilter(toSummary(row), filter))
  }

  /** Ready and running events, earliest due first. */
  #waiting(name: string): Row[] {
    const waiting = this.#select({ name }).filter((row) => !isFinal(row))
    return waiting.sort((one, other) => one.dueAtMs - other.dueAtMs || one.id - other.id)
  }

  #heldBy({ id, token }: Lease): Row | undefined {
    const row = this.#rows.get(Number(id))
    return row?.state === 'running' && row.token === token ? row : undefined
  }
}

function isFinal({ state }: Row): boolean {
  return state === 'done' || state === 'dead'
}

/** The row after its attempt has ended. */
function ended(row: Row, ending: Ending): Row {
  const { startedAtMs, nowMs, error, state } = ending
  const { attempts, replays } = row
  const attempt = { attempt: attempts, replay: replays, startedAtMs, durationMs: nowMs - startedAtMs, error }
  const after: Row = { ...row, state, token: null, finishedAtMs: nowMs, history: [...row.history, attempt] }
  if (ending.state === 'ready') {
    return { ...after, attempts: ending.isCounted ? attempts : attempts - 1, dueAtMs: ending.dueAtMs }
  }
  if (ending.state === 'dead') return after
  const event = ending.keepsPayload ? row.event : withoutPayload(row.event)
  return { ...after, event, isUnhandled: ending.isUnhandled }
}

function toClaimed({ id, token, event, attempts }: Row): ClaimedEvent {
  return { lease: { id: String(id), token: String(token) }, event: fromEventJson(event), attempt: attempts }
}

function toSummary(row: Row): InboxSummary {
  const { name, messageId, sentAt, receivedAt } = row.event
  const { isUnhandled, attempts, replays } = row
  const times = isFinal(row) ? { finishedAt: new Date(row.finishedAtMs) } : { dueAt: new Date(row.dueAtMs) }
  return {
    name,
    ...exactNames(row.event),
    messageId,
    // Purged rows are never selected.
    state: row.state as InboxState,
    isUnhandled,
    attempts,
    replays,
    sentAt: new Date(sentAt),
    receivedAt: new Date(receivedAt),
    ...times,
  }
}

function toRecord(row: Row): InboxRecord {
  const { secretIndex, signedHeaders } = row.event
  const history = row.history.map(({ startedAtMs, ...attempt }) => ({ ...attempt, startedAt: new Date(startedAtMs) }))
  const body = bodyOf(row.event)
  return {
    ...toSummary(row),
    secretIndex,
    history,
    ...(body === undefined ? {} : { body, envelope: readEnvelope(body), signedHeaders }),
  }
}

function parsed(line: string): Row | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
