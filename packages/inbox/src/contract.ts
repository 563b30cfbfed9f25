import type { InboxConnection, WebhookEvent } from '@scrapenest-webhooks/core'

/**
 * Where an event is on its way:
 * - `ready`: waits to be handled, from its due time on. Entered when it is stored, when an attempt failed and another is
 *   allowed, when a closing process gave it back, when the lease of a process that died has ended, and by `replay`.
 * - `running`: a worker has claimed it, with a lease and a token. The attempt is counted here, before it begins. Left when
 *   the attempt ends, or when the lease does.
 * - `done`: its handlers succeeded, or there were none (`isUnhandled`). Kept to recognise duplicates, then purged.
 * - `dead`: it will not be tried again by itself: its attempts are used up, or a failure said that trying is useless.
 *   Kept until it is replayed or purged.
 */
export type InboxState = 'ready' | 'running' | 'done' | 'dead'

/**
 * Keeps verified events durably and runs their handlers, at least once each; effectively once by (`name`, `event_id`):
 * two runs of one event overlap only where a process was blocked for longer than its lease, and then one completion counts.
 *
 * Give it to a receiver as `inbox`, or to `createWorker`. The methods below are for people and tools: they work in any
 * process that can reach the store, whether or not it was started.
 */
export interface Inbox extends InboxConnection, AsyncDisposable {
  readonly capabilities: InboxCapabilities
  /**
   * Rejects when the store does not work: it cannot be reached, or takes no writes. Proven by a write that leaves nothing
   * behind, in no more time than `put` takes. A receiver calls it for probes only, such as those of
   * `scrapenest-webhooks doctor`.
   *
   * @throws {WebhookError} `store_unavailable`
   */
  check(): Promise<void>
  /**
   * Stops claiming, waits for running handlers, aborts the rest, gives their events back without counting the attempt, and
   * closes the store, all within `graceMs`. Handlers are aborted shortly before it ends: up to a second, at most half of it.
   * Giving events back takes a write to the store, which is waited for up to 100 ms, however short `graceMs` is. A store
   * that has not answered by then is closed in the background.
   *
   * Idempotent; a further call can only shorten the time.
   *
   * @param options.graceMs in milliseconds; `Infinity` waits for as long as handlers take. Default 8000.
   * @param options.consumer the one that leaves. Default: all of them. The store is closed with the last.
   * @throws {ConfigurationError} `configuration_invalid`: an invalid `graceMs`. Nothing is closed then.
   */
  close(options?: Partial<Parameters<InboxConnection['close']>[0]>): Promise<void>
  /** The events that fit, the latest stored first, one page at a time. Bodies and headers are never in a list. */
  list(query?: InboxQuery): Promise<InboxPage>
  /**
   * Everything that is kept of one event, or `undefined` when there is no such event.
   *
   * @param options.name the receiver's name. Default `'scrapenest'`.
   */
  get(eventId: string, options?: { readonly name?: string }): Promise<InboxRecord | undefined>
  /** @param options.name the receiver's name. Default: all of them together. */
  stats(options?: { readonly name?: string }): Promise<InboxStats>
  /** Makes dead or done events ready again, with a fresh number of attempts. Events whose body was dropped stay as they are. */
  replay(filter: ReplayFilter): Promise<ReplayResult>
  /**
   * Deletes dead or done events for good; a later delivery of one of them is stored as new.
   *
   * @returns how many were deleted.
   */
  purge(filter: PurgeFilter): Promise<number>
}

/** What an engine can do. What it cannot is refused with a `ConfigurationError`, and never answered with less. */
export interface InboxCapabilities {
  /** Whether an event survives the end of the process. */
  readonly isDurable: boolean
  /** Whether several processes can work on the same store; of `sqliteInbox` it is true where Node carries SQLite 3.51.3 or later. */
  readonly isShared: boolean
  /** Which attempts `get` gives: every one, or the last only. */
  readonly attempts: 'every' | 'last'
  /** By what `list`, `replay` and `purge` can select. */
  readonly filters: readonly InboxFilterName[]
  /** Which events can be replayed. */
  readonly replayableStates: readonly FinalState[]
  /** Whether the body of a done event can be dropped while the event is remembered. */
  readonly canDropPayload: boolean
  /**
   * Whether the option `now` decides what is due; else the engine, or its server, goes by a clock of its own.
   * @default true
   */
  readonly canTakeClock?: boolean | undefined
}

export type FinalState = 'done' | 'dead'

/** Selects events; conditions are joined by "and". */
export interface InboxFilter {
  readonly name?: string | undefined
  readonly eventId?: string | undefined
  readonly eventType?: string | undefined
  readonly state?: InboxState | undefined
  /** Done without any handler. */
  readonly isUnhandled?: boolean | undefined
  /** Received at this time or later. */
  readonly receivedFrom?: Date | undefined
  /** Received before this time. */
  readonly receivedBefore?: Date | undefined
  /** Done or dead before this time. */
  readonly finishedBefore?: Date | undefined
}

export type InboxFilterName = keyof InboxFilter

export interface InboxQuery extends InboxFilter {
  /** How many events a page holds at most. @default 50, at most 1000 */
  readonly limit?: number | undefined
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

export interface InboxPage {
  readonly events: readonly InboxSummary[]
  /** Absent on the last page. */
  readonly nextCursor?: string | undefined
}

/** One event, or those of one state: a replay of everything must be asked for state by state. */
export type ReplayFilter = InboxFilter & ({ readonly eventId: string } | { readonly state: FinalState })

export type PurgeFilter = InboxFilter & { readonly state: FinalState }

export interface ReplayResult {
  readonly replayed: number
  /** Events that fitted, but whose body was dropped (`keepPayload: false`). */
  readonly withoutPayload: number
}

/** What is known of an event without its content. */
export interface InboxSummary {
  readonly name: string
  readonly eventId: string
  readonly eventType: string
  /** `svix-id`. */
  readonly messageId: string
  readonly state: InboxState
  /** Done, because no handler was there for it. Can be replayed once there is one. */
  readonly isUnhandled: boolean
  /** How many attempts were begun since it was stored, or last replayed. */
  readonly attempts: number
  /** How often it was replayed. */
  readonly replays: number
  readonly sentAt: Date
  readonly receivedAt: Date
  /** When the next attempt may begin; while `running`, when the lease ends. Absent when done or dead. */
  readonly dueAt?: Date | undefined
  /** When it was done or dead. */
  readonly finishedAt?: Date | undefined
}

export interface InboxRecord extends InboxSummary {
  /** The bytes that were verified; absent once dropped (`keepPayload: false`). */
  readonly body?: Uint8Array | undefined
  /** The event in the body, its data unchecked; absent where the body was dropped or is no event. */
  readonly envelope?: WebhookEvent | undefined
  /** The signed headers, as received; dropped together with the body. */
  readonly signedHeaders?: Readonly<Record<string, string>> | undefined
  readonly secretIndex: number
  /** Ended attempts in their order, those before a replay included. */
  readonly history: readonly InboxAttemptRecord[]
}

export interface InboxAttemptRecord {
  readonly attempt: number
  /** How often the event had been replayed when this attempt began. */
  readonly replay: number
  readonly startedAt: Date
  readonly durationMs: number
  /** Why it failed; absent where it succeeded. */
  readonly error?: AttemptError | undefined
}

/** A failure as it is stored. */
export interface AttemptError {
  /**
   * A code of this library (`handler_failed`, `handler_timeout`, `schema_mismatch`, …), or `lease_ended`: the process died,
   * or was blocked for longer than its lease.
   */
  readonly code: string
  /** Of the handler's own error, where there is one. */
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
}

export interface InboxStats {
  readonly ready: number
  readonly running: number
  /** `unhandled` included. */
  readonly done: number
  readonly dead: number
  readonly unhandled: number
  /** Since when the event that has waited longest could be running: how far the workers are behind. Absent when none waits. */
  readonly oldestReadyAt?: Date | undefined
}
