import type { InboxEvent } from '@scrapenest-webhooks/core'
import type { EventIdentity } from '@scrapenest-webhooks/core/adapter'
import type {
  AttemptError,
  InboxCapabilities,
  InboxFilter,
  InboxPage,
  InboxRecord,
  InboxStats,
  ReplayResult,
} from './contract.ts'

/**
 * Stores events. `StoredInbox` turns an implementation into an `Inbox`. Everything that depends on time or randomness (leases,
 * backoff, retention) is decided outside the store, in one place for all stores.
 *
 * Each method is atomic, also across processes if the store is shared, and rejects with a `WebhookError` such as
 * `InboxUnavailableError`. Each must settle promptly, `put` within about a second, because callers set no time limit.
 */
export interface EventStore {
  readonly capabilities: InboxCapabilities
  /**
   * Prepares the store. Every other method must do the same if needed, so a store that was unavailable at first works once
   * it is available.
   *
   * @param name the receiver whose events are about to be stored or claimed.
   */
  open(name: string): Promise<void>
  close(): Promise<void>
  /** Problems that an operator should fix even though the store works. Reported after `open`. */
  problems?(): readonly Error[]
  /**
   * Rejects if a `put` would fail now. Performs a write that leaves no trace, and takes no longer than `put`. If this method
   * is missing, `open` is called instead.
   *
   * @param name a receiver that uses the store.
   */
  check?(name: string): Promise<void>
  /** Resolves once the event would survive a crash. Events with the same `eventKey` are duplicates. */
  put(event: InboxEvent, options: { readonly nowMs: number }): Promise<'stored' | 'duplicate'>
  /** Moves events that are due from `ready` to `running`, oldest first, and counts the attempt. */
  claim(request: ClaimRequest): Promise<Claim>
  /** Returns attempts whose lease has expired because their process died or stalled. May return only some of them. */
  expired(name: string, options: { readonly nowMs: number }): Promise<readonly ExpiredAttempt[]>
  /** Extends the leases that are still held, even if they have just expired. @returns their ids. */
  renew(
    leases: readonly Lease[],
    options: { readonly nowMs: number; readonly endsAtMs: number },
  ): Promise<ReadonlySet<string>>
  /**
   * Corrects times that were set before the clock was set back: waiting events become due now, and leases that are no
   * longer renewed expire now. Otherwise, both would last longer by as much as the clock was set back. Not needed if the
   * store has its own clock.
   *
   * @param options.latestMs anything scheduled after this time was scheduled before the clock was set back.
   */
  correctTimes?(name: string, options: { readonly nowMs: number; readonly latestMs: number }): Promise<void>
  /**
   * Ends an attempt, unless it has already ended. Must validate the ending with `checkEnding`.
   *
   * @returns whether this call ended it. A call repeated because the first answer was lost also returns `true`; otherwise a
   * dead event would go unreported.
   */
  end(lease: Lease, ending: Ending): Promise<boolean>
  /**
   * Lists the most recently stored events first.
   *
   * @param page.cursor the `nextCursor` of the previous page.
   */
  list(filter: InboxFilter, page: { readonly limit: number; readonly cursor: string | undefined }): Promise<InboxPage>
  /** The format of `nextCursor`. Default: 1 to 15 digits. */
  readonly cursorForm?: RegExp
  get(identity: EventIdentity): Promise<InboxRecord | undefined>
  stats(name: string | undefined, options: { readonly nowMs: number }): Promise<InboxStats>
  /** Makes done and dead events that still have a body ready again, with attempts reset, and waiting events due now. */
  replay(filter: InboxFilter, options: { readonly nowMs: number }): Promise<ReplayResult>
  /**
   * Deletes dead and done events, in small steps with pauses in between to avoid delaying deliveries.
   *
   * @param options.signal stops it after the current step.
   */
  purge(filter: InboxFilter, options?: { readonly signal?: AbortSignal }): Promise<number>
}

export interface ClaimRequest {
  readonly name: string
  readonly limit: number
  /** Unique per call. Required to renew the leases and to end the attempts. */
  readonly token: string
  readonly nowMs: number
  readonly leaseEndsAtMs: number
}

export interface Claim {
  readonly claimed: readonly ClaimedEvent[]
  /** When the next event of this name is due or the next lease expires; `undefined` if there is neither. */
  readonly nextDueAtMs: number | undefined
}

export interface ClaimedEvent {
  readonly lease: Lease
  /** If `unreadable` is set, contains only what could be read. */
  readonly event: InboxEvent
  /** Why the stored event cannot be read. No handler is called, and the event is dead immediately. */
  readonly unreadable?: unknown
  /** Counted from 1, including this one. */
  readonly attempt: number
}

export interface ExpiredAttempt extends ClaimedEvent {
  readonly startedAtMs: number
}

/** Fences an attempt: each claim of an event has its own token. */
export interface Lease {
  readonly id: string
  readonly token: string
}

/** How an attempt ended, and the event's next state. All numbers are whole milliseconds that a `Date` can hold. */
export type Ending = {
  readonly startedAtMs: number
  readonly nowMs: number
  readonly error?: AttemptError | undefined
} & (
  | { readonly state: 'done'; readonly isUnhandled: boolean; readonly keepsPayload: boolean }
  /** `isCounted: false`: the attempt does not count, because the event was not the reason it ended. */
  | { readonly state: 'ready'; readonly dueAtMs: number; readonly isCounted: boolean }
  | { readonly state: 'dead' }
)
