import type { InboxConnection, WebhookErrorCode, WebhookEvent } from '@scrapenest-webhooks/core'

/**
 * The life of a stored event, state by state. `worker/ending.ts` decides how an attempt ends, and `EventStore.end` records
 * it. For the states of the attempt itself, see `RunningAttempt`.
 *
 * - `ready`: waits until it is due. Entered when the event is stored (due at once), after a failed attempt (due after the
 *   backoff), when a closing process gives it back (due at once, the attempt not counted), and by `replay` (due at once,
 *   with no attempt counted). Left when a worker claims it.
 * - `running`: claimed by a worker. The attempt is counted now, before its handlers run, so an event that kills its process
 *   runs out of attempts. The claim is a lease of `leaseMs`: the worker renews it while handlers run and until the ending is
 *   recorded. Left when the ending is recorded, or when the lease ends because the process died or stalled. Then any worker
 *   ends the attempt as failed with `lease_ended`, and what the old worker does no longer counts, because the lease has
 *   another token.
 * - `done`: the handlers succeeded, or there were none (`isUnhandled`). Kept for `keepDoneMs` to recognize duplicates, then
 *   deleted. Left by `replay` and `purge`.
 * - `dead`: the last of `maxAttempts` failed, or a failure was permanent. It is reported, and kept until `replay` or
 *   `purge`.
 */
export type InboxState = 'ready' | 'running' | 'done' | 'dead'

/**
 * Stores verified events durably and runs their handlers at least once; effectively once by (`name`, `scope`, `event_id`).
 * Two runs of one event overlap only if a process stalls past its lease, cannot reach the store for that long, or has given
 * up on a handler that does not end. Even then only one completion counts.
 *
 * Pass it to a receiver as `inbox`, or to `createWorker`. The methods below are for people and tools: they work in any
 * process that can reach the store, whether or not it was started.
 */
export interface Inbox extends InboxConnection, AsyncDisposable {
  readonly capabilities: InboxCapabilities
  /**
   * Rejects when the store is unavailable or refuses writes. It tries a write that leaves nothing behind, and takes no
   * longer than `put`. A receiver calls it for probes only, such as those of `scrapenest-webhooks doctor`.
   *
   * @throws {WebhookError} `store_unavailable`
   */
  check(): Promise<void>
  /**
   * Stops claiming, waits for running handlers, aborts the rest, gives their events back without counting the attempt, and
   * closes the store, all within `graceMs`. Handlers are aborted a second before it ends, or halfway if it is shorter than
   * two seconds. Giving events back takes a write to the store, which may take 100 ms even if `graceMs` is shorter. A store
   * that has not answered by then is closed in the background.
   *
   * Idempotent; another call can only shorten the time.
   *
   * @param options.graceMs in milliseconds; `Infinity` waits for as long as handlers take. Default 8000.
   * @param options.consumer the consumer that leaves. Default: all of them. The store is closed when the last one has left.
   * @throws {ConfigurationError} `configuration_invalid`: an invalid `graceMs`. In that case nothing is closed.
   */
  close(options?: Partial<Parameters<InboxConnection['close']>[0]>): Promise<void>
  /** Lists the selected events page by page, without bodies and headers. For their order, see `capabilities.listOrder`. */
  list(query?: InboxQuery): Promise<InboxPage>
  /**
   * Everything stored about one event, or `undefined` if there is no such event.
   */
  get(eventId: string, options?: InboxGetOptions): Promise<InboxRecord | undefined>
  /** @param options.name the receiver's name. Default: all of them together. */
  stats(options?: { readonly name?: string }): Promise<InboxStats>
  /**
   * Makes done or dead events ready again, with no attempts counted, and events that wait for a retry due now. Events whose
   * body was dropped stay as they are.
   */
  replay(filter: ReplayFilter): Promise<ReplayResult>
  /**
   * Deletes done or dead events permanently; a later delivery of one of them is stored as new.
   *
   * @returns how many were deleted.
   */
  purge(filter: PurgeFilter): Promise<number>
}

/** Where engines differ. Everything else in this contract holds for each of them. */
export interface InboxCapabilities {
  /** Whether events survive the end of the process. */
  readonly isDurable: boolean
  /** Whether several processes can use the same store. `sqliteInbox` needs SQLite 3.51.3 or later for that. */
  readonly isShared: boolean
  /** Which attempts `get` returns: every one, or only the last. */
  readonly attempts: 'every' | 'last'
  /**
   * `stored`: the latest stored first. `state`: state by state (ready, running, done, dead), the latest to enter a state
   * first. The events within one page are sorted by when they were stored, the latest first.
   */
  readonly listOrder: 'stored' | 'state'
  /**
   * Whether the option `now` decides what is due. If not, the engine or its server uses its own clock.
   * @default true
   */
  readonly canTakeClock?: boolean | undefined
}

export interface InboxGetOptions {
  /** The receiver's name. @default 'scrapenest' */
  readonly name?: string | undefined
  /** The tenant's scope. @default '': the event without one */
  readonly scope?: string | undefined
}

export type FinalState = 'done' | 'dead'

/** Selects the events that meet every condition. */
export interface InboxFilter {
  readonly name?: string | undefined
  /** `''` selects events without a scope. */
  readonly scope?: string | undefined
  readonly eventId?: string | undefined
  readonly eventType?: string | undefined
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
 * One event, or those in one state: no filter selects everything. Without `name` and `scope`, an `eventId` selects the
 * events with this id of every receiver and tenant.
 */
export type ReplayFilter = InboxFilter & ({ readonly eventId: string } | { readonly state: FinalState | 'ready' })

export type PurgeFilter = InboxFilter & { readonly state: FinalState }

export interface ReplayResult {
  /** Including events that were waiting and are due now. */
  readonly replayed: number
  /** Selected events that cannot be replayed, because their body was dropped (`keepPayload: false`). */
  readonly withoutPayload: number
}

/** An event without its content. */
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
  /** Attempts begun since it was stored or last replayed. */
  readonly attempts: number
  /** Times it was replayed. */
  readonly replays: number
  readonly sentAt: Date
  readonly receivedAt: Date
  /** When the next attempt may begin; while `running`, when the lease ends. Absent when done or dead. */
  readonly dueAt?: Date | undefined
  /** When it became done or dead. */
  readonly finishedAt?: Date | undefined
}

export interface InboxRecord extends InboxSummary {
  /** The bytes that were verified; absent once dropped (`keepPayload: false`). */
  readonly body?: Uint8Array | undefined
  /** The event in the body, its data unchecked; absent if the body was dropped or is not JSON. */
  readonly envelope?: WebhookEvent | undefined
  /** The signed headers as received; dropped together with the body. */
  readonly signedHeaders?: Readonly<Record<string, string>> | undefined
  readonly secretIndex: number
  /** Ended attempts in order, including those before a replay: all of them, or the last (`capabilities.attempts`). */
  readonly history: readonly InboxAttemptRecord[]
}

export interface InboxAttemptRecord {
  readonly attempt: number
  /** Times the event had been replayed when this attempt began. */
  readonly replay: number
  readonly startedAt: Date
  readonly durationMs: number
  /** Why it failed; absent if it succeeded. */
  readonly error?: AttemptError | undefined
}

/** A failure as it is stored. */
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
  /** When the longest overdue event became due, which shows how far the workers are behind. Absent if none is overdue. */
  readonly oldestReadyAt?: Date | undefined
}
