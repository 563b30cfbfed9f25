import { type InboxConsumer, WebhookError } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import type { CloseBudget } from './close-budget.ts'
import { endingOf } from './ending.ts'
import type { ClaimedEvent, Ending } from './event-store.ts'
import { DeadEventError, LeaseLostError } from './inbox-errors.ts'
import type { InboxSettings } from './inbox-options.ts'
import { type Outcome, RunningAttempt } from './running-attempt.ts'

export interface EngineAttemptsOptions {
  /** One with a processor. */
  readonly consumer: InboxConsumer
  readonly settings: InboxSettings
}

/** An attempt that is over, and what is to be recorded of it; nothing is, where its lease was lost. */
export interface EndedAttempt {
  readonly claimed: ClaimedEvent
  readonly outcome: Outcome
  readonly ending: Ending
  readonly isLeaseLost: boolean
  /** Tells what no handler threw. For after the ending was recorded: what did not count is not told. */
  tell(): void
}

/**
 * The attempts of one consumer that run in this process, where the claims, the leases and the records are an engine's.
 *
 * The engine claims an event, calls `run`, and records the ending it is given. It says which leases it renewed; one that
 * it did not renew in time is lost, and its handlers are aborted.
 */
export class EngineAttempts {
  readonly #consumer: InboxConsumer
  readonly #settings: InboxSettings
  readonly #running = new Map<RunningAttempt, Promise<Outcome>>()
  #leaseWatch: NodeJS.Timeout | undefined
  #isClosing = false

  constructor({ consumer, settings }: EngineAttemptsOptions) {
    this.#consumer = consumer
    this.#settings = settings
  }

  /** Whether `close` was called: what is claimed from now on goes straight back. */
  get isClosing(): boolean {
    return this.#isClosing
  }

  /** Never rejects. */
  async run(claimed: ClaimedEvent): Promise<EndedAttempt> {
    const { handlerTimeoutMs, graceMs, leaseMs, now } = this.#settings
    const startedAtMs = now()
    const leaseEndsAtMs = startedAtMs + leaseMs
    // The caller makes one only for a consumer with a processor.
    const process = this.#consumer.process as InboxProcessor
    const attempt = new RunningAttempt({ claimed, process, handlerTimeoutMs, graceMs, leaseEndsAtMs })
    if (this.#isClosing) {
      attempt.abort(new WebhookError('receiver_closing'))
      attempt.giveUp()
    }
    this.#leaseWatch ??= setInterval(() => this.#loseExpired(), leaseMs / 4).unref()
    const running = this.#isClosing ? Promise.resolve<Outcome>({ kind: 'given_up' }) : attempt.run()
    this.#running.set(attempt, running)
    const outcome = await running
    this.#running.delete(attempt)
    const ending = endingOf(attempt, outcome, { startedAtMs, settings: this.#settings })
    const { isLeaseLost, abortReason } = attempt
    const tell = (): void => {
      if (outcome.kind !== 'succeeded' && abortReason?.code === 'handler_timeout') {
        this.#consumer.report(abortReason, claimed.event)
      }
      this.tellIfDead(claimed, ending)
    }
    return { claimed, outcome, ending, isLeaseLost, tell }
  }

  tellIfDead({ attempt, event }: ClaimedEvent, { state, error }: Ending): void {
    if (state === 'dead' && error !== undefined) this.#consumer.report(new DeadEventError(attempt, error.code), event)
  }

  renewed(leaseIds: Iterable<string>): void {
    const endsAtMs = this.#settings.now() + this.#settings.leaseMs
    const ids = new Set(leaseIds)
    for (const attempt of this.#running.keys()) {
      if (ids.has(attempt.claimed.lease.id)) attempt.leaseEndsAtMs = endsAtMs
    }
  }

  lost(leaseIds: Iterable<string>): void {
    const ids = new Set(leaseIds)
    for (const attempt of this.#running.keys()) {
      if (ids.has(attempt.claimed.lease.id)) attempt.loseLease(new LeaseLostError())
    }
  }

  /** Waits for running handlers, aborts the rest within the budget, and resolves when every attempt has an ending. */
  async close(budget: CloseBudget): Promise<void> {
    this.#isClosing = true
    await budget.endAttempts(this.#running)
    clearInterval(this.#leaseWatch)
    this.#leaseWatch = undefined
  }

  #loseExpired(): void {
    const nowMs = this.#settings.now()
    for (const attempt of this.#running.keys()) {
      if (attempt.leaseEndsAtMs <= nowMs) attempt.loseLease(new LeaseLostError())
    }
  }
}
