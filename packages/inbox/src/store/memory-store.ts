import type { InboxEvent } from '@scrapenest-webhooks/core'
import { type EventIdentity, eventKey } from '@scrapenest-webhooks/core/adapter'
import type {
  InboxAttemptRecord,
  InboxCapabilities,
  InboxFilter,
  InboxPage,
  InboxRecord,
  InboxState,
  InboxStats,
  InboxSummary,
  ReplayResult,
} from '../contract.ts'
import type { Claim, ClaimRequest, Ending, EventStore, ExpiredAttempt, Lease } from '../event-store.ts'
import { checkEnding } from '../times.ts'
import { readEnvelope } from './event-json.ts'
import { fitsFilter } from './filters.ts'

interface StoredEvent {
  readonly id: number
  readonly event: InboxEvent
  hasPayload: boolean
  state: InboxState
  isUnhandled: boolean
  attempts: number
  replays: number
  dueAtMs: number
  /** When `dueAtMs` was set. */
  scheduledAtMs: number
  claimedAtMs: number
  finishedAtMs: number
  token: string | undefined
  readonly history: InboxAttemptRecord[]
}

/** Events in memory, lost when the process ends. Every query visits every event, so use it for small numbers of events. */
export class MemoryStore implements EventStore {
  readonly capabilities: InboxCapabilities = {
    isDurable: false,
    isShared: false,
    attempts: 'every',
    listOrder: 'stored',
  }
  readonly #events = new Map<string, StoredEvent>()
  #lastId = 0

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  async check(): Promise<void> {}

  async put(event: InboxEvent, { nowMs }: { readonly nowMs: number }): Promise<'stored' | 'duplicate'> {
    const key = eventKey(event)
    if (this.#events.has(key)) return 'duplicate'
    this.#lastId += 1
    this.#events.set(key, {
      id: this.#lastId,
      // The caller may reuse its bytes once `put` has resolved.
      event: { ...event, body: Uint8Array.from(event.body) },
      hasPayload: true,
      state: 'ready',
      isUnhandled: false,
      attempts: 0,
      replays: 0,
      dueAtMs: nowMs,
      scheduledAtMs: nowMs,
      claimedAtMs: 0,
      finishedAtMs: 0,
      token: undefined,
      history: [],
    })
    return 'stored'
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    const { name, limit, token, nowMs, leaseEndsAtMs } = request
    const due = this.#waiting(name).filter(({ state, dueAtMs }) => state === 'ready' && dueAtMs <= nowMs)
    const claimed = due.slice(0, limit).map((stored) => {
      stored.attempts += 1
      Object.assign(stored, {
        state: 'running',
        token,
        claimedAtMs: nowMs,
        scheduledAtMs: nowMs,
        dueAtMs: leaseEndsAtMs,
      })
      return { lease: { id: String(stored.id), token }, event: stored.event, attempt: stored.attempts }
    })
    return { claimed, nextDueAtMs: this.#waiting(name)[0]?.dueAtMs }
  }

  async expired(name: string, { nowMs }: { readonly nowMs: number }): Promise<readonly ExpiredAttempt[]> {
    const ended = this.#waiting(name).filter(({ state, dueAtMs }) => state === 'running' && dueAtMs <= nowMs)
    return ended.map(({ id, token, event, attempts, claimedAtMs }) => ({
      // A running event has a token.
      lease: { id: String(id), token: token as string },
      event,
      attempt: attempts,
      startedAtMs: claimedAtMs,
    }))
  }

  async correctTimes(
    name: string,
    { nowMs, latestMs }: { readonly nowMs: number; readonly latestMs: number },
  ): Promise<void> {
    for (const stored of this.#waiting(name)) {
      if (stored.scheduledAtMs > latestMs) Object.assign(stored, { dueAtMs: nowMs, scheduledAtMs: nowMs })
    }
  }

  async renew(
    leases: readonly Lease[],
    { nowMs, endsAtMs }: { readonly nowMs: number; readonly endsAtMs: number },
  ): Promise<ReadonlySet<string>> {
    const held = new Set<string>()
    for (const lease of leases) {
      const stored = this.#heldBy(lease)
      if (stored === undefined) continue
      stored.dueAtMs = endsAtMs
      stored.scheduledAtMs = nowMs
      held.add(lease.id)
    }
    return held
  }

  async end(lease: Lease, ending: Ending): Promise<boolean> {
    checkEnding(ending)
    const stored = this.#heldBy(lease)
    if (stored === undefined) return false
    const { startedAtMs, nowMs, error } = ending
    addAttempt(stored, { startedAtMs, nowMs, error })
    stored.state = ending.state
    stored.token = undefined
    if (ending.state === 'ready') {
      stored.dueAtMs = ending.dueAtMs
      stored.scheduledAtMs = nowMs
      if (!ending.isCounted) stored.attempts -= 1
    } else {
      stored.finishedAtMs = nowMs
    }
    if (ending.state === 'done') {
      stored.isUnhandled = ending.isUnhandled
      stored.hasPayload = ending.keepsPayload
    }
    return true
  }

  async list(
    filter: InboxFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<InboxPage> {
    const untilId = cursor === undefined ? Number.POSITIVE_INFINITY : Number(cursor)
    const found = this.#select(filter).filter(({ id }) => id < untilId)
    const page = found.sort((one, other) => other.id - one.id).slice(0, limit)
    return {
      events: page.map(toSummary),
      ...(found.length > limit ? { nextCursor: String(page.at(-1)?.id) } : {}),
    }
  }

  async get(identity: EventIdentity): Promise<InboxRecord | undefined> {
    const stored = this.#events.get(eventKey(identity))
    return stored === undefined ? undefined : toRecord(stored)
  }

  async stats(name: string | undefined, { nowMs }: { readonly nowMs: number }): Promise<InboxStats> {
    const all = this.#select({ name })
    const count = (state: InboxState): number => all.filter((stored) => stored.state === state).length
    const overdue = all.filter(({ state, dueAtMs }) => state === 'ready' && dueAtMs <= nowMs)
    const [oldest] = overdue.sort((one, other) => one.dueAtMs - other.dueAtMs)
    return {
      ready: count('ready'),
      running: count('running'),
      done: count('done'),
      dead: count('dead'),
      unhandled: all.filter(({ isUnhandled }) => isUnhandled).length,
      ...(oldest === undefined ? {} : { oldestReadyAt: new Date(oldest.dueAtMs) }),
    }
  }

  async replay(filter: InboxFilter, { nowMs }: { readonly nowMs: number }): Promise<ReplayResult> {
    const selected = this.#select(filter)
    const waiting = selected.filter(({ state, dueAtMs }) => state === 'ready' && dueAtMs > nowMs)
    for (const stored of waiting) Object.assign(stored, { dueAtMs: nowMs, scheduledAtMs: nowMs })
    const final = selected.filter(isFinal)
    const replayable = final.filter(({ hasPayload }) => hasPayload)
    for (const stored of replayable) {
      stored.replays += 1
      Object.assign(stored, { state: 'ready', isUnhandled: false, attempts: 0, dueAtMs: nowMs, scheduledAtMs: nowMs })
    }
    return { replayed: waiting.length + replayable.length, withoutPayload: final.length - replayable.length }
  }

  async purge(filter: InboxFilter): Promise<number> {
    const purged = this.#select(filter).filter(isFinal)
    for (const { event } of purged) this.#events.delete(eventKey(event))
    return purged.length
  }

  /** Ready and running events, earliest due first. */
  #waiting(name: string): StoredEvent[] {
    return this.#select({ name })
      .filter((stored) => !isFinal(stored))
      .sort((one, other) => one.dueAtMs - other.dueAtMs || one.id - other.id)
  }

  #heldBy({ id, token }: Lease): StoredEvent | undefined {
    for (const stored of this.#events.values()) {
      if (String(stored.id) === id) return stored.state === 'running' && stored.token === token ? stored : undefined
    }
    return undefined
  }

  #select(filter: InboxFilter): StoredEvent[] {
    return [...this.#events.values()].filter((stored) => fitsFilter(toSummary(stored), filter))
  }
}

function isFinal({ state }: StoredEvent): boolean {
  return state === 'done' || state === 'dead'
}

function addAttempt(
  stored: StoredEvent,
  { startedAtMs, nowMs, error }: Pick<Ending, 'startedAtMs' | 'nowMs' | 'error'>,
): void {
  stored.history.push({
    attempt: stored.attempts,
    replay: stored.replays,
    startedAt: new Date(startedAtMs),
    durationMs: Math.max(0, nowMs - startedAtMs),
    error,
  })
}

function toSummary(stored: StoredEvent): InboxSummary {
  const { event, state, isUnhandled, attempts, replays } = stored
  const { name, scope = '', eventId, eventType, messageId, sentAt, receivedAt } = event
  const times = isFinal(stored)
    ? { dueAt: undefined, finishedAt: new Date(stored.finishedAtMs) }
    : { dueAt: new Date(stored.dueAtMs), finishedAt: undefined }
  return {
    name,
    scope,
    eventId,
    eventType,
    messageId,
    state,
    isUnhandled,
    attempts,
    replays,
    sentAt,
    receivedAt,
    ...times,
  }
}

function toRecord(stored: StoredEvent): InboxRecord {
  const { event, hasPayload, history } = stored
  return {
    ...toSummary(stored),
    body: hasPayload ? event.body : undefined,
    envelope: hasPayload ? readEnvelope(event.body) : undefined,
    signedHeaders: hasPayload ? event.signedHeaders : undefined,
    secretIndex: event.secretIndex,
    history: [...history],
  }
}
