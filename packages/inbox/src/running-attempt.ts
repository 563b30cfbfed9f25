import type { WebhookError } from '@scrapenest-webhooks/core'
import type { DispatchResult, InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import type { ClaimedEvent } from './event-store.ts'
import { HandlerOverdueError } from './inbox-errors.ts'

export interface RunningAttemptOptions {
  readonly claimed: ClaimedEvent
  readonly process: InboxProcessor
  readonly handlerTimeoutMs: number
  /** How long handlers that were aborted may take to end. */
  readonly graceMs: number
  readonly leaseEndsAtMs: number
}

/** How the handlers ended, or that nobody waits for them any more. */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly result: DispatchResult }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'given_up' }

/**
 * One run of an event's handlers.
 *
 * - *running*: until the handlers settle.
 * - *aborted*: entered at the time limit, when the lease is lost, or when the worker closes. The handlers' `signal` says so.
 *   They have `graceMs` to end, or what closing leaves them (`CloseBudget`), and their result still counts.
 * - *given up*: entered after that. The handlers may keep running, but no one waits for them and nothing they do counts.
 */
export class RunningAttempt {
  readonly claimed: ClaimedEvent
  /** Moved by the one who renews the lease. */
  leaseEndsAtMs: number
  readonly #options: RunningAttemptOptions
  readonly #controller = new AbortController()
  readonly #givenUp: Promise<Outcome>
  #resolveGivenUp: (outcome: Outcome) => void = () => {}
  #graceTimer: NodeJS.Timeout | undefined
  #isLeaseLost = false

  constructor(options: RunningAttemptOptions) {
    this.#options = options
    this.claimed = options.claimed
    this.leaseEndsAtMs = options.leaseEndsAtMs
    this.#givenUp = new Promise((resolve) => {
      this.#resolveGivenUp = resolve
    })
  }

  /** Why it was aborted; `undefined` while it was not. */
  get abortReason(): WebhookError | undefined {
    return this.#controller.signal.reason
  }

  /** Whether another worker may have the event by now: nothing about it can be recorded. */
  get isLeaseLost(): boolean {
    return this.#isLeaseLost
  }

  async run(): Promise<Outcome> {
    const { handlerTimeoutMs } = this.#options
    const timer = setTimeout(() => this.abort(new HandlerOverdueError(handlerTimeoutMs)), handlerTimeoutMs).unref()
    try {
      return await Promise.race([this.#process(), this.#givenUp])
    } finally {
      clearTimeout(timer)
      clearTimeout(this.#graceTimer)
    }
  }

  /** Only the first reason counts. */
  abort(reason: WebhookError): void {
    if (this.#controller.signal.aborted) return
    this.#controller.abort(reason)
    this.#graceTimer = setTimeout(() => this.giveUp(), this.#options.graceMs).unref()
  }

  loseLease(reason: WebhookError): void {
    this.#isLeaseLost = true
    this.abort(reason)
  }

  giveUp(): void {
    this.#resolveGivenUp({ kind: 'given_up' })
  }

  async #process(): Promise<Outcome> {
    const { process, claimed } = this.#options
    try {
      const result = await process(claimed.event, { attempt: claimed.attempt, signal: this.#controller.signal })
      return { kind: 'succeeded', result }
    } catch (error) {
      return { kind: 'failed', error }
    }
  }
}
