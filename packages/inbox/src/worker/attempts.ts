import { AsyncLocalStorage } from 'node:async_hooks'
import { type AttemptFacts, type InboxConsumer, WebhookError } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import { DeadEventError, LeaseEndedError } from '../errors.ts'
import type { ClaimedEvent, Ending } from '../event-store.ts'
import type { InboxSettings } from '../options.ts'
import type { CloseBudget } from './close-budget.ts'
import { endingOf } from './ending.ts'
import { type Outcome, RunningAttempt } from './running-attempt.ts'

export interface AttemptsOptions {
  /** A consumer with a processor. */
  readonly consumer: InboxConsumer
  readonly settings: InboxSettings
}

/** An attempt that no longer runs: its handlers have settled or were abandoned. */
export interface EndedAttempt {
  readonly claimed: ClaimedEvent
  /** What to record while the lease is held. */
  readonly ending: Ending
  /** Whether the lease is still held. Otherwise another worker may have the event, and the ending is not recorded. */
  isHeld(): boolean
  /** Reports the event if it is dead. Call it once the result is recorded. */
  report(): void
}

/**
 * The attempts of one consumer in this process. The caller claims events, calls `run`, renews the leases in `held` and
 * records the results. Everything else about an attempt happens here, the same way for every engine.
 *
 * Handlers and reports run in the async context in which the instance was created, which is that of the inbox's `start`.
 */
export class Attempts {
  readonly #consumer: InboxConsumer
  readonly #settings: InboxSettings
  readonly #held = new Map<RunningAttempt, Promise<unknown>>()
  // The context of `start`. An engine may call `run` in any other.
  readonly #inContext = AsyncLocalStorage.snapshot()
  #leaseTimer: NodeJS.Timeout | undefined
  #isClosing = false

  constructor({ consumer, settings }: AttemptsOptions) {
    this.#consumer = consumer
    this.#settings = settings
  }

  /** Attempts with a lease to renew: running, or ended but not recorded yet, and not lost. */
  get held(): readonly RunningAttempt[] {
    return [...this.#held.keys()].filter(({ isLeaseLost }) => !isLeaseLost)
  }

  /** Whether an attempt has not finished yet. */
  holds(attempt: RunningAttempt): boolean {
    return this.#held.has(attempt)
  }

  /**
   * Runs the handlers of a claimed event, then `finish`. The lease is held until `finish` settles, so the event is not handled
   * again while its success is being recorded.
   *
   * An event claimed while closing is released without calling its handlers.
   *
   * @param options.claimedAtMs when the claim was sent, by `performance.now()`. The lease starts then.
   * @returns the result of `finish`.
   */
  run<Finished>(
    claimed: ClaimedEvent,
    {
      claimedAtMs,
      finish,
    }: { readonly claimedAtMs: number; readonly finish: (ended: EndedAttempt) => Promise<Finished> },
  ): Promise<Finished> {
    const { handlerTimeoutMs, graceMs, leaseMs } = this.#settings
    // Callers only create attempts for consumers with a processor.
    const processor = this.#consumer.process as InboxProcessor
    const attempt = new RunningAttempt({ claimed, claimedAtMs, processor, handlerTimeoutMs, graceMs, leaseMs })
    this.#startLeaseTimer()
    const finished = this.#inContext(() => this.#runAndFinish(attempt, finish)).finally(() => this.#release(attempt))
    this.#held.set(attempt, finished)
    return finished
  }

  /** Reports an attempt whose lease expired, in any process. Call it once the result is recorded. */
  reportExpired(claimed: ClaimedEvent, ending: Ending): void {
    this.#consumer.report(new LeaseEndedError(), claimed.event, this.#factsOf(claimed, ending))
    this.#reportIfDead(claimed, ending)
  }

  /** Marks leases that were not renewed in time as lost. Called by a timer while there are attempts. */
  loseEndedLeases(): void {
    for (const attempt of this.held) attempt.checkLease()
  }

  /** Waits for running handlers, aborts the rest within the budget, and resolves when every attempt is finished. */
  async close(budget: CloseBudget): Promise<void> {
    this.#isClosing = true
    await budget.endAttempts(this.#held)
  }

  #startLeaseTimer(): void {
    if (this.#leaseTimer !== undefined) return
    const intervalMs = this.#settings.leaseMs / 10
    let lastMs = performance.now()
    const tick = (): void => {
      const blockedMs = performance.now() - lastMs - intervalMs
      lastMs = performance.now()
      if (blockedMs > this.#settings.leaseMs / 3) this.#consumer.note?.(blockedMessage(blockedMs))
      this.loseEndedLeases()
    }
    this.#leaseTimer = setInterval(tick, intervalMs).unref()
  }

  #release(attempt: RunningAttempt): void {
    this.#held.delete(attempt)
    if (this.#held.size > 0) return
    clearInterval(this.#leaseTimer)
    this.#leaseTimer = undefined
  }

  async #runAndFinish<Finished>(
    attempt: RunningAttempt,
    finish: (ended: EndedAttempt) => Promise<Finished>,
  ): Promise<Finished> {
    const { claimed } = attempt
    const ending = await this.#runToEnding(attempt)
    return await finish({
      claimed,
      ending,
      isHeld: () => !attempt.isLeaseLost,
      report: () => this.#reportIfDead(claimed, ending),
    })
  }

  async #runToEnding(attempt: RunningAttempt): Promise<Ending> {
    const startedAtMs = this.#settings.now()
    if (this.#isClosing) attempt.abort(new WebhookError('receiver_closing'))
    const outcome: Outcome = this.#isClosing ? { kind: 'given_up' } : await attempt.run()
    const ending = endingOf(attempt, outcome, { startedAtMs, settings: this.#settings, consumer: this.#consumer })
    this.#reportFailure(attempt, outcome, ending)
    return ending
  }

  /** Reports what the handlers threw, or that they were too slow. */
  #reportFailure({ claimed, abortReason }: RunningAttempt, outcome: Outcome, ending: Ending): void {
    const facts = this.#factsOf(claimed, ending)
    if (outcome.kind === 'failed') this.#consumer.report(outcome.error, claimed.event, facts)
    if (ending.error !== undefined && abortReason?.code === 'handler_timeout') {
      this.#consumer.report(abortReason, claimed.event, facts)
    }
  }

  #reportIfDead(claimed: ClaimedEvent, ending: Ending): void {
    if (ending.state !== 'dead' || ending.error === undefined) return
    const { attempt, event } = claimed
    this.#consumer.report(new DeadEventError(attempt, ending.error.code), event, this.#factsOf(claimed, ending))
  }

  #factsOf({ attempt }: ClaimedEvent, ending: Ending): AttemptFacts {
    const { maxAttempts } = this.#settings
    return ending.state === 'ready'
      ? { attempt, maxAttempts, nextAttemptAt: new Date(ending.dueAtMs) }
      : { attempt, maxAttempts }
  }
}

function blockedMessage(blockedMs: number): string {
  return (
    `The event loop was blocked for ${(blockedMs / 1000).toFixed(1)} s, more than a third of leaseMs. Leases that are not ` +
    'renewed expire, and their events run again. Move blocking work out of the handlers, or raise leaseMs.'
  )
}
