import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type InboxConsumer, WebhookError } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import type { CloseBudget } from './close-budget.ts'
import { endingOf, endingOfExpired } from './ending.ts'
import type { Claim, ClaimedEvent, Ending, EventStore } from './event-store.ts'
import type { ConsumerWork } from './inbox-consumers.ts'
import { DeadEventError, LeaseLostError } from './inbox-errors.ts'
import type { InboxSettings } from './inbox-options.ts'
import { type Outcome, RunningAttempt } from './running-attempt.ts'

/** Between two tries to record how an attempt ended, while the store is out of reach. */
const recordRetryMs = 250

/**
 * Claims the events of one receiver and runs their handlers, as many at a time as `concurrency` allows.
 *
 * It looks for work when it is woken (an event was stored, a place became free), when the next event is due, and every
 * `pollIntervalMs` for what other processes stored. While all places are taken it does not look.
 */
export class WorkLoop implements ConsumerWork {
  readonly #store: EventStore
  readonly #settings: InboxSettings
  readonly #consumer: InboxConsumer
  readonly #process: InboxProcessor
  /** Attempts whose lease is held: running, or ended and not yet recorded. */
  readonly #held = new Map<RunningAttempt, Promise<void>>()
  #freePlaces: number
  #claiming: Promise<void> = Promise.resolve()
  #isClaiming = false
  #isWoken = false
  #isClosing = false
  #isStoreOut = false
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined

  constructor(store: EventStore, options: { readonly consumer: InboxConsumer; readonly settings: InboxSettings }) {
    this.#store = store
    this.#consumer = options.consumer
    this.#settings = options.settings
    // The caller makes a loop only for a consumer with a processor.
    this.#process = options.consumer.process as InboxProcessor
    this.#freePlaces = options.settings.concurrency
  }

  /** Looks for work now, or once more if it is looking already. */
  wake(): void {
    this.#isWoken = true
    if (this.#isClosing || this.#isClaiming) return
    clearTimeout(this.#timer)
    this.#claiming = this.#claimWhileWoken()
  }

  /** Claims nothing more, and resolves when the ending of every attempt has been recorded, or the store has failed to. */
  async close(budget: CloseBudget): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#timer)
    await budget.endAttempts(this.#held)
    // A claim that was in progress gives back what it has claimed.
    await this.#claiming
    await Promise.allSettled(this.#held.values())
    clearInterval(this.#renewal)
  }

  async #claimWhileWoken(): Promise<void> {
    this.#isClaiming = true
    let delayMs = this.#settings.pollIntervalMs
    while (this.#isWoken && !this.#isClosing && this.#freePlaces > 0) {
      this.#isWoken = false
      try {
        delayMs = this.#untilDue(await this.#claim())
        this.#isStoreOut = false
      } catch (error) {
        this.#storeFailed(error)
        delayMs = this.#settings.pollIntervalMs
      }
    }
    this.#isClaiming = false
    // A place that becomes free wakes the loop; until then there is no point in looking.
    if (this.#isClosing || this.#freePlaces === 0) return
    // Unreferenced: what is due later is on the disk, and no reason to keep a process alive.
    this.#timer = setTimeout(() => this.wake(), delayMs).unref()
  }

  async #claim(): Promise<Claim> {
    const { leaseMs, now } = this.#settings
    const nowMs = now()
    const leaseEndsAtMs = nowMs + leaseMs
    const { name } = this.#consumer
    await this.#endExpired(nowMs)
    const claim = await this.#store.claim({ name, limit: this.#freePlaces, token: randomUUID(), nowMs, leaseEndsAtMs })
    for (const claimed of claim.claimed) this.#begin(claimed, leaseEndsAtMs)
    return claim
  }

  /** Another process may do so at the same time: one of the two ends the attempt, and tells. */
  async #endExpired(nowMs: number): Promise<void> {
    for (const expired of await this.#store.expired(this.#consumer.name, { nowMs })) {
      const ending = endingOfExpired(expired, this.#settings)
      if (await this.#store.end(expired.lease, ending)) this.#tellIfDead(expired, ending)
    }
  }

  #untilDue({ nextDueAtMs }: Claim): number {
    const { pollIntervalMs, now } = this.#settings
    if (nextDueAtMs === undefined) return pollIntervalMs
    return Math.min(pollIntervalMs, Math.max(1, nextDueAtMs - now()))
  }

  #begin(claimed: ClaimedEvent, leaseEndsAtMs: number): void {
    const { handlerTimeoutMs, graceMs, leaseMs } = this.#settings
    const attempt = new RunningAttempt({ claimed, process: this.#process, handlerTimeoutMs, graceMs, leaseEndsAtMs })
    // Claimed while the loop was being closed: it goes straight back.
    if (this.#isClosing) {
      attempt.abort(new WebhookError('receiver_closing'))
      attempt.giveUp()
    }
    this.#freePlaces -= 1
    this.#renewal ??= setInterval(() => void this.#renew(), leaseMs / 3).unref()
    this.#held.set(
      attempt,
      this.#handle(attempt).finally(() => this.#held.delete(attempt)),
    )
  }

  async #handle(attempt: RunningAttempt): Promise<void> {
    const startedAtMs = this.#settings.now()
    const outcome = this.#isClosing ? ({ kind: 'given_up' } as const) : await attempt.run()
    this.#freePlaces += 1
    if (attempt.isLeaseLost) {
      this.wake()
      return
    }
    const ending = endingOf(attempt, outcome, { startedAtMs, settings: this.#settings })
    const recorded = this.#record(attempt, ending)
    // Woken before it is recorded: the next claim then goes into the same transaction.
    this.wake()
    if (await recorded) this.#tell(attempt, outcome, ending)
  }

  /** Tries again while the store is out of reach: what succeeded should not run twice. The lease is renewed meanwhile. */
  async #record(attempt: RunningAttempt, ending: Ending): Promise<boolean> {
    for (;;) {
      try {
        return await this.#store.end(attempt.claimed.lease, ending)
      } catch (error) {
        this.#storeFailed(error)
        if (this.#isClosing || attempt.leaseEndsAtMs <= this.#settings.now()) return false
        await sleep(recordRetryMs, undefined, { ref: false })
      }
    }
  }

  /** Handlers' own failures were told when they were thrown; here is what nobody threw. */
  #tell({ claimed, abortReason }: RunningAttempt, outcome: Outcome, ending: Ending): void {
    if (outcome.kind !== 'succeeded' && abortReason?.code === 'handler_timeout') {
      this.#consumer.report(abortReason, claimed.event)
    }
    this.#tellIfDead(claimed, ending)
  }

  #tellIfDead({ attempt, event }: ClaimedEvent, { state, error }: Ending): void {
    if (state === 'dead' && error !== undefined) this.#consumer.report(new DeadEventError(attempt, error.code), event)
  }

  async #renew(): Promise<void> {
    const { leaseMs, now } = this.#settings
    const attempts = [...this.#held.keys()].filter(({ isLeaseLost }) => !isLeaseLost)
    if (attempts.length === 0) return
    const endsAtMs = now() + leaseMs
    try {
      const leases = attempts.map(({ claimed }) => claimed.lease)
      const held = await this.#store.renew(leases, { endsAtMs })
      for (const attempt of attempts) {
        if (held.has(attempt.claimed.lease.id)) attempt.leaseEndsAtMs = endsAtMs
        // One that was recorded in the meantime holds no lease and needs none.
        else if (this.#held.has(attempt)) attempt.loseLease(new LeaseLostError())
      }
    } catch (error) {
      this.#storeFailed(error)
      for (const attempt of attempts) {
        if (attempt.leaseEndsAtMs <= now()) attempt.loseLease(new LeaseLostError())
      }
    }
  }

  /** Told once, not every second: until the store has worked again. */
  #storeFailed(error: unknown): void {
    if (!this.#isStoreOut) this.#consumer.report(error)
    this.#isStoreOut = true
  }
}
