import type { InboxEvent } from '@scrapenest-webhooks/core'
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
 * Where the events are: what a queue of our own needs of its storage. Everything that takes time or chance (leases,
 * backoff, retention) is decided above it, once for all stores.
 *
 * Each method is atomic, also against other processes where the store is shared, and rejects with a `WebhookError`.
 */
export interface EventStore {
  readonly capabilities: InboxCapabilities
  /** Makes the store ready. Every other method does so too, so that a store out of reach at first is used once it is there. */
  open(): Promise<void>
  close(): Promise<void>
  /**
   * Rejects when a `put` would fail now. Writes and leaves nothing behind, and takes no longer than `put`. Without it,
   * `open` is called instead.
   */
  check?(): Promise<void>
  /** Resolves when the event would survive a crash. */
  put(event: InboxEvent, options: { readonly nowMs: number }): Promise<'stored' | 'duplicate'>
  /** Makes running what is due, oldest first, and counts the attempt. */
  claim(request: ClaimRequest): Promise<Claim>
  /** The attempts whose lease has ended, some of them at least: they ran in a process that died, or was blocked. */
  expired(name: string, options: { readonly nowMs: number }): Promise<readonly ExpiredAttempt[]>
  /** Moves the end of leases that are still held. @returns the ids of those that are. */
  renew(leases: readonly Lease[], options: { readonly endsAtMs: number }): Promise<ReadonlySet<string>>
  /** Ends an attempt. Does nothing where somebody ended it before, whoever it was. @returns whether it was ended here. */
  end(lease: Lease, ending: Ending): Promise<boolean>
  /**
   * The latest stored first.
   *
   * @param page.cursor the `nextCursor` of the page before, which is a text of 1 to 15 digits.
   */
  list(filter: InboxFilter, page: { readonly limit: number; readonly cursor: string | undefined }): Promise<InboxPage>
  get(eventId: string, name: string): Promise<InboxRecord | undefined>
  stats(name: string | undefined): Promise<InboxStats>
  /** Makes ready, with no attempt counted, what is dead or done and still has its body. */
  replay(filter: InboxFilter, options: { readonly nowMs: number }): Promise<ReplayResult>
  /**
   * Acts on dead and done events only, in small steps with pauses, so that deliveries are not held up.
   *
   * @param options.signal ends it after the step that is under way.
   */
  purge(filter: InboxFilter, options?: { readonly signal?: AbortSignal }): Promise<number>
}

export interface ClaimRequest {
  readonly name: string
  readonly limit: number
  /** Unique to this claim: it is what ends the attempt. */
  readonly token: string
  readonly nowMs: number
  readonly leaseEndsAtMs: number
}

export interface Claim {
  readonly claimed: readonly ClaimedEvent[]
  /** When the next event of this name is due, or the next lease ends; absent when there is none. */
  readonly nextDueAtMs: number | undefined
}

export interface ClaimedEvent {
  readonly lease: Lease
  readonly event: InboxEvent
  /** Counted from 1, this one included. */
  readonly attempt: number
}

export interface ExpiredAttempt extends ClaimedEvent {
  readonly startedAtMs: number
}

/** What fences an attempt: whoever claims the event next has another token. */
export interface Lease {
  readonly id: string
  readonly token: string
}

/** How an attempt ended, and what becomes of the event. */
export type Ending = {
  readonly startedAtMs: number
  readonly nowMs: number
  readonly error?: AttemptError | undefined
} & (
  | { readonly state: 'done'; readonly isUnhandled: boolean; readonly keepsPayload: boolean }
  /** `isCounted: false` gives the attempt back: it was not the event's fault that it ended. */
  | { readonly state: 'ready'; readonly dueAtMs: number; readonly isCounted: boolean }
  | { readonly state: 'dead' }
)
