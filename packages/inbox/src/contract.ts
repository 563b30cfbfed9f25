import type { InboxConnection, WebhookErrorCode, WebhookEvent } from '@scrapenest-webhooks/core'

/**
 * The states of a stored event. `worker/ending.ts` decides how an attempt ends, and `EventStore.end` records the result. For
 * the states of an attempt, see `RunningAttempt`.
 *
 * - `ready`: waiting for its next attempt. Entered when the event is stored (due immediately), after a failed attempt (due
 *   after the backoff), when a closing process releases it (due immediately; the attempt does not count), and by `replay`
 *   (due immediately; attempts start over). Left when a worker claims it.
 * - `running`: claimed by a worker. Claiming counts the attempt before any handler runs, so an event that kills its process
 *   runs out of attempts. The claim is a lease of `leaseMs`, which the worker renews until the result is recorded. Left when
 *   the result is recorded, or when the lease expires because the process died or stalled. Another worker then fails the
 *   attempt with `lease_ended`. From then on the lease has another token, so the old worker's result is ignored.
 * - `done`: the handlers succeeded, or there were none (`isUnhandled`). Kept for `keepDoneMs` to recognize duplicates, then
 *   deleted. Left by `replay` and `purge`.
 * - `dead`: the last of `maxAttempts` failed, or a failure was permanent. Reported, and kept until `replay` or `purge`.
 */
export type InboxState = 'ready' | 'running' | 'done' | 'dead'

/**
 * Stores verified events durably and runs their handlers at least once, and effectively once per (`name`, `scope`,
 * `event_id`). Two runs of an event overlap only if a process stalls past its lease, cannot reach the store for that long,
 * or gives up on a handler that never settles. Even then, only one completion counts.
 *
 * Pass it to a receiver as `inbox`, or to `createWorker`. The methods below are for operators and tools. They work in any
 * process that can reach the store, even without `start`.
 */
export interface Inbox extends InboxConnection, AsyncDisposable {
  readonly capabilities: InboxCapabilities
  /**
   * Rejects if the store is unavailable or refuses writes. Performs a write that leaves no trace, and takes no longer than
   * `put`. Receivers call it for probes only, such as those of `scrapenest-webhooks doctor`.
   *
   * @throws {WebhookError} `store_unavailable`
   */
  check(): Promise<void>
  /**
   * Stops claiming, waits for running handlers, aborts the rest, releases their events without counting the attempt, and
   * closes the store, all within `graceMs`. Handlers are aborted one second before `graceMs` ends, or halfway if it is
   * shorter than two seconds. Releasing events requires a write, which gets 100 ms even if `graceMs` is shorter. A store
   * that has not answered by then is closed in the background.
   *
   * Idempotent. Another call can only shorten the time.
   *
   * @param options.graceMs in milliseconds. `Infinity` waits until every handler has settled. Default: 8000.
   * @param options.consumer the consumer to close. Default: all of them. The store closes with the last one.
   * @throws {ConfigurationError} `configuration_invalid`: `graceMs` is invalid. Nothing has been closed.
   */
  close(options?: Partial<Parameters<InboxConnection['close']>[0]>): Promise<void>
  /**
   * Lists the selected events page by page, without bodies or headers. `capabilities.listOrder` states the order.
   *
   * @throws {ConfigurationError} `configuration_invalid`: a condition or the cursor is invalid.
   * @throws {WebhookError} `store_unavailable`
   */
  list(query?: InboxQuery): Promise<InboxPage>
  /**
   * Returns everything stored about one event, or `undefined` if there is no such event.
   *
   * @throws {WebhookError} `store_unavailable`
   */
  get(eventId: string, options?: InboxGetOptions): Promise<InboxRecord | undefined>
  /**
   * Counts events by state.
   *
   * @param options.name the receiver's name. Default: all receivers.
   * @throws {WebhookError} `store_unavailable`
   */
  stats(options?: { readonly name?: string }): Promise<InboxStats>
  /**
   * Makes done or dead events ready again, with their attempts reset, and makes events that wait for a retry due
   * immediately. Events whose body was dropped are left unchanged.
   *
   * @throws {ConfigurationError} `configuration_invalid`: the filter has neither an `eventId` nor a `state`, or is invalid.
   * @throws {WebhookError} `store_unavailable`
   */
  replay(filter: ReplayFilter): Promise<ReplayResult>
  /**
   * Deletes done or dead events permanently. A later delivery of one of them is stored as a new event.
   *
   * @returns the number of deleted events.
   * @throws {ConfigurationError} `configuration_invalid`: the filter has no `state`, or is invalid.
   * @throws {WebhookError} `store_unavailable`
   */
  purge(filter: PurgeFilter): Promise<number>
}

/** Where engines differ. Everything else in this contract holds for all of them. */
export interface InboxCapabilities {
  /** Whether events survive the end of the process. */
  readonly isDurable: boolean
  /** Whether several processes can use the same store. `sqliteInbox` needs SQLite 3.51.3 or later for that. */
  readonly isShared: boolean
  /** Whether `get` returns every attempt or only the last. */
  readonly attempts: 'every' | 'last'
  /**
   * `stored`: most recently stored first. `state`: grouped by state (ready, running, done, dead), most recent in each state
   * first. Within a page, events are always sorted by storage time, most recent first.
   */
  readonly listOrder: 'stored' | 'state'
  /**
   * Whether the `now` option decides what is due. If `false`, the engine or its server uses its own clock.
   * @default true
   */
  readonly canTakeClock?: boolean | undefined
}

export interface InboxGetOptions {
  /** The receiver's name. @default 'scrapenest' */
  readonly name?: string | undefined
  /** The tenant's scope. @default '': an event without a scope */
  readonly scope?: string | undefined
}

export type FinalState = 'done' | 'dead'

/** Conditions on events. An event is selected if it meets all of them. */
export interface InboxFilter {
  /** The `name` of the receiver that stored the event. */
  readonly name?: string | undefined
  /** `''` selects events without a scope. */
  readonly scope?: string | undefined
  /** `event_id`. */
  readonly eventId?: string | undefined
  /** `event_type`, exactly: no pattern. */
  readonly eventType?: string | undefined
  /** The event's current state. */
  readonly state?: InboxState | undefined
  /** Whether the event is done because there was no handler for it. */
  readonly isUnhandled?: boolean | undefined
  /** Received at this time or later. */
  readonly receivedFrom?: Date | undefined
  /** Received before this time. */
  readonly receivedBefore?: Date | undefined
  /** Done or dead before this time. */
  readonly finishedBefore?: Date | undefined
}

export interface InboxQuery extends InboxFilter {
  /** Maximum number of events on a page, up to 1000. @default 50 */
  readonly limit?: number | undefined
  /** `nextCursor` of the previous page. */
  readonly cursor?: string | undefined
}

export interface InboxPage {
  readonly events: readonly InboxSummary[]
  /** Absent on the last page. */
  readonly nextCursor?: string | undefined
}

/**
 * Selects by event id or by state. An empty filter is refused, so nothing runs by accident. Without `name` and `scope`, an
 * `eventId` matches across all receivers and tenants.
 */
export type ReplayFilter = InboxFilter & ({ readonly eventId: string } | { readonly state: FinalState | 'ready' })

export type PurgeFilter = InboxFilter & { readonly state: FinalState }

export interface ReplayResult {
  /** Includes events that were waiting for a retry. */
  readonly replayed: number
  /** Selected events that cannot be replayed, because their body was dropped (`keepPayload: false`). */
  readonly withoutPayload: number
}

/** An event without its body and headers. */
export interface InboxSummary {
  readonly name: string
  /** The tenant's scope; empty without tenants. */
  readonly scope: string
  readonly eventId: string
  readonly eventType: string
  /** `svix-id`. */
  readonly messageId: string
  readonly state: InboxState
  /** Done because there was no handler for it. Can be replayed once there is one. */
  readonly isUnhandled: boolean
  /** Attempts started since the event was stored or last replayed. */
  readonly attempts: number
  /** How often the event was replayed. */
  readonly replays: number
  readonly sentAt: Date
  readonly receivedAt: Date
  /** When the next attempt may begin. While `running`, when the lease expires. Absent when done or dead. */
  readonly dueAt?: Date | undefined
  /** When the event became done or dead. */
  readonly finishedAt?: Date | undefined
}

export interface InboxRecord extends InboxSummary {
  /** The verified bytes. Absent once dropped (`keepPayload: false`). */
  readonly body?: Uint8Array | undefined
  /** The parsed body. Its `data` is not checked against a schema. Absent if the body was dropped or is not JSON. */
  readonly envelope?: WebhookEvent | undefined
  /** The signed headers as received. Dropped together with the body. */
  readonly signedHeaders?: Readonly<Record<string, string>> | undefined
  readonly secretIndex: number
  /**
   * Finished attempts in order, including those before a replay: every attempt, or only the last (`capabilities.attempts`).
   */
  readonly history: readonly InboxAttemptRecord[]
}

export interface InboxAttemptRecord {
  readonly attempt: number
  /** How often the event had been replayed when this attempt started. */
  readonly replay: number
  readonly startedAt: Date
  readonly durationMs: number
  /** Why the attempt failed. Absent if it succeeded. */
  readonly error?: AttemptError | undefined
}

/** A failure, as stored. */
export interface AttemptError {
  /**
   * `lease_ended`: the process died, or stalled past its lease. `event_unreadable`: the stored event could not be read, so
   * no handler was called.
   */
  readonly code: WebhookErrorCode | 'lease_ended' | 'event_unreadable'
  /** The name of the handler's own error, if there is one. */
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
}

export interface InboxStats {
  readonly ready: number
  readonly running: number
  /** Including `unhandled`. */
  readonly done: number
  readonly dead: number
  readonly unhandled: number
  /** When the oldest overdue event became due, which shows how far behind the workers are. Absent if no event is overdue. */
  readonly oldestReadyAt?: Date | undefined
}
