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
 * Where events are stored. Implement it, and `StoredInbox` makes an `Inbox` of it. Everything that depends on time or chance
 * (leases, backoff, retention) is decided above the store, once for all stores.
 *
 * Each method is atomic, across processes too if the store is shared, and rejects with a `WebhookError` such as
 * `InboxUnavailableError`. Each must settle promptly, `put` within about a second: nothing above the store limits its time.
 */
export interface EventStore {
  readonly capabilities: InboxCapabilities
  /**
   * Makes the store ready. Every other method must do so too, so that a store that was unavailable at first is used once
   * it is available.
   *
   * @param name the receiver whose events are about to be stored or claimed.
   */
  open(name: string): Promise<void>
  close(): Promise<void>
  /** Problems that an operator should fix although the store works. Reported after `open`. */
  problems?(): readonly Error[]
  /**
   * Rejects when a `put` would fail now. Writes and leaves nothing behind, and takes no longer than `put`. Without it,
   * `open` is called instead.
   *
   * @param name a receiver that uses the store.
   */
  check?(name: string): Promise<void>
  /** Resolves when the event would survive a crash. Duplicates have the same `eventKey`. */
  put(event: InboxEvent, options: { readonly nowMs: number }): Promise<'stored' | 'duplicate'>
  /** Moves events that are due from `ready` to `running`, oldest first, and counts the attempt. */
  claim(request: ClaimRequest): Promise<Claim>
  /** Attempts whose lease has ended, at least some of them: their process died, or stalled past the lease. */
  expired(name: string, options: { readonly nowMs: number }): Promise<readonly ExpiredAttempt[]>
  /** Extends the leases that are still held, even if their time has just run out. @returns their ids. */
  renew(
    leases: readonly Lease[],
    options: { readonly nowMs: number; readonly endsAtMs: number },
  ): Promise<ReadonlySet<string>>
  /**
   * Makes due now what was scheduled by a clock since set back: waiting events, and leases that are no longer renewed.
   * Without it, they wait for as long as the clock was set back. Not needed if the store has a clock of its own.
   *
   * @param options.latestMs whatever was scheduled after this time was scheduled by such a clock.
   */
  correctTimes?(name: string, options: { readonly nowMs: number; readonly latestMs: number }): Promise<void>
  /**
   * Ends an attempt, unless it has already ended. Refuses what `checkEnding` refuses.
   *
   * @returns whether this call ended it. A call that is repeated because the answer to the first was lost also returns
   * `true`; otherwise a dead event would not be reported.
   */
  end(lease: Lease, ending: Ending): Promise<boolean>
  /**
   * The latest stored first.
   *
   * @param page.cursor the `nextCursor` of the previous page.
   */
  list(filter: InboxFilter, page: { readonly limit: number; readonly cursor: string | undefined }): Promise<InboxPage>
  /** What `nextCursor` looks like. Default: 1 to 15 digits. */
  readonly cursorForm?: RegExp
  get(identity: EventIdentity): Promise<InboxRecord | undefined>
  stats(name: string | undefined, options: { readonly nowMs: number }): Promise<InboxStats>
  /** Makes done and dead events that still have a body ready again, with no attempts counted, and waiting ones due now. */
  replay(filter: InboxFilter, options: { readonly nowMs: number }): Promise<ReplayResult>
  /**
   * Deletes dead and done events, in small steps with pauses, so that deliveries are not delayed.
   *
   * @param options.signal stops it after the current step.
   */
  purge(filter: InboxFilter, options?: { readonly signal?: AbortSignal }): Promise<number>
}

export interface ClaimRequest {
  readonly name: string
  readonly limit: number
  /** Unique to this claim. Required to renew the leases and to end the attempts. */
  readonly token: string
  readonly nowMs: number
  readonly leaseEndsAtMs: number
}

export interface Claim {
  readonly claimed: readonly ClaimedEvent[]
  /** When the next event of this name is due, or the next lease ends; `undefined` if there is none. */
  readonly nextDueAtMs: number | undefined
}

export interface ClaimedEvent {
  readonly lease: Lease
  /** If it is `unreadable`, as much of it as can be read. */
  readonly event: InboxEvent
  /** Why the stored event cannot be read. Its handlers are not called, and it is dead at once. */
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

/**
 * How an attempt ended, and what becomes of the event. All numbers are whole milliseconds that a `Date` can hold.
 */
export type Ending = {
  readonly startedAtMs: number
  readonly nowMs: number
  readonly error?: AttemptError | undefined
} & (
  | { readonly state: 'done'; readonly isUnhandled: boolean; readonly keepsPayload: boolean }
  /** `isCounted: false`: the attempt does not count, because it did not end because of the event. */
  | { readonly state: 'ready'; readonly dueAtMs: number; readonly isCounted: boolean }
  | { readonly state: 'dead' }
)
