import type { WebhookError } from '@scrapenest-webhooks/core'
import type { DispatchResult, InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import { HandlerOverdueError, LeaseLostError } from '../errors.ts'
import type { ClaimedEvent } from '../event-store.ts'

export interface RunningAttemptOptions {
  readonly claimed: ClaimedEvent
  /** By `performance.now()`. */
  readonly claimedAtMs: number
  readonly processor: InboxProcessor
  /** In milliseconds. */
  readonly handlerTimeoutMs: number
  /** How long aborted handlers may take to settle, in milliseconds. */
  readonly graceMs: number
  /** How long the lease lasts from the claim, and from each renewal, in milliseconds. */
  readonly leaseMs: number
}

/** How an attempt ended. `unreadable`: the stored event cannot be read, so no handler was called. */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly result: DispatchResult }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'given_up' }
  | { readonly kind: 'unreadable'; readonly cause: unknown }

/**
 * One run of an event's handlers, with its lease.
 *
 * The handlers:
 * - *running*: until they settle.
 * - *aborted*: entered at the time limit, when the lease is lost, or when the worker closes. Their `signal` is aborted. They
 *   have `graceMs` to settle, or less if the `CloseBudget` ends first. Their result still counts, unless the lease is lost.
 * - *abandoned*: entered when that time is over. They may keep running, but their result is ignored.
 *
 * The lease:
 * - *held*: from the claim on. `renewLease` extends it.
 * - *lost*: entered when the store reports it, or when `Attempts` finds that it was not renewed for `leaseMs`. Another
 *   worker may have the event by then, so the handlers are aborted and this attempt is not recorded.
 */
export class RunningAttempt {
  readonly claimed: ClaimedEvent
  readonly #options: RunningAttemptOptions
  readonly #controller = new AbortController()
  readonly #givenUp: Promise<Outcome>
  #resolveGivenUp!: (outcome: Outcome) => void
  #graceTimer: NodeJS.Timeout | undefined
  /** Monotonic (`performance.now()`): setting the clock neither ends a lease nor extends it. */
  #leaseEndsAtMs: number
  #isLeaseLost = false
  #isSettled = false

  constructor(options: RunningAttemptOptions) {
    this.#options = options
    this.claimed = options.claimed
    this.#leaseEndsAtMs = options.claimedAtMs + options.leaseMs
    this.#givenUp = new Promise((resolve) => {
      this.#resolveGivenUp = resolve
    })
  }

  /** Why the handlers were aborted. `undefined` if they were not. */
  get abortReason(): WebhookError | undefined {
    return this.#controller.signal.reason
  }

  get isLeaseLost(): boolean {
    return this.#isLeaseLost
  }

  async run(): Promise<Outcome> {
    const { handlerTimeoutMs, claimed } = this.#options
    if (claimed.unreadable !== undefined) return { kind: 'unreadable', cause: claimed.unreadable }
    const timer = setTimeout(() => this.abort(new HandlerOverdueError(handlerTimeoutMs)), handlerTimeoutMs).unref()
    try {
      return await Promise.race([this.#runHandlers(), this.#givenUp])
    } finally {
      this.#isSettled = true
      clearTimeout(timer)
      clearTimeout(this.#graceTimer)
    }
  }

  /** Only the first reason counts. Does nothing once the handlers have settled. */
  abort(reason: WebhookError): void {
    if (this.#isSettled || this.#controller.signal.aborted) return
    this.#controller.abort(reason)
    this.#graceTimer = setTimeout(() => this.giveUp(), this.#options.graceMs).unref()
  }

  giveUp(): void {
    this.#resolveGivenUp({ kind: 'given_up' })
  }

  /** @param sinceMs when the renewal was sent, by `performance.now()`. The store's lease starts no earlier. */
  renewLease(sinceMs: number): void {
    this.#leaseEndsAtMs = sinceMs + this.#options.leaseMs
  }

  loseLease(): void {
    this.#isLeaseLost = true
    this.abort(new LeaseLostError())
  }

  /** Marks the lease as lost if it was not renewed in time. */
  checkLease(): void {
    if (this.#leaseEndsAtMs <= performance.now()) this.loseLease()
  }

  async #runHandlers(): Promise<Outcome> {
    const { processor, claimed } = this.#options
    try {
      const result = await processor(claimed.event, { attempt: claimed.attempt, signal: this.#controller.signal })
      return { kind: 'succeeded', result }
    } catch (error) {
      return { kind: 'failed', error }
    }
  }
}
