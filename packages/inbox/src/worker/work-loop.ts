import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InboxConsumer } from '@scrapenest-webhooks/core'
import type { Claim, EventStore, Lease } from '../event-store.ts'
import type { InboxSettings } from '../options.ts'
import { Attempts, type EndedAttempt } from './attempts.ts'
import { ClockWatch, jumpMessage } from './clock-watch.ts'
import type { CloseBudget } from './close-budget.ts'
import type { ConsumerWork } from './consumers.ts'
import { endingOfExpired } from './ending.ts'
import { Outage } from './outage.ts'

/** How often to look for events that were scheduled before the clock was set back, in milliseconds. */
const correctIntervalMs = 60_000

/** How far the clocks of processes may differ, in milliseconds. */
const clockSlackMs = 60_000

/** The delay between two tries to record a result while the store is unavailable, in milliseconds. */
const recordRetryMs = 250

/**
 * Claims one consumer's events from an `EventStore`, up to `concurrency` at a time, renews their leases and records the
 * results of their attempts.
 *
 * Looks for work when woken (an event was stored or a slot became free), when the next event is due, and every
 * `pollIntervalMs` for events stored by other processes. Does not look while all slots are taken.
 */
export class WorkLoop implements ConsumerWork {
  readonly #store: EventStore
  readonly #consumer: InboxConsumer
  readonly #settings: InboxSettings
  readonly #attempts: Attempts
  // The context of `start`. Without it, everything the loop does would run in the context of the request that woke it, and
  // `onError` and the log would see its tenant, trace and user.
  readonly #inContext = AsyncLocalStorage.snapshot()
  #freeSlots: number
  #claiming: Promise<void> = Promise.resolve()
  #isClaiming = false
  #isWoken = false
  #isClosing = false
  /** Whether the budget for closing has ended. An attempt whose result is not recorded by then ends when its lease expires. */
  #isOver = false
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined
  readonly #clock: ClockWatch
  readonly #outage: Outage
  /** After the clock was set, expired leases of other processes are left alone until then. By `performance.now()`. */
  #settledAtMs = 0
  /** When to correct times next, by `performance.now()`. */
  #correctAtMs = 0

  constructor(store: EventStore, options: { readonly consumer: InboxConsumer; readonly settings: InboxSettings }) {
    this.#store = store
    this.#consumer = options.consumer
    this.#settings = options.settings
    this.#attempts = new Attempts(options)
    this.#clock = new ClockWatch(options.settings)
    this.#outage = new Outage(options.consumer)
    this.#freeSlots = options.settings.concurrency
  }

  /** Looks for work now, or again if a search is in progress. */
  wake(): void {
    this.#isWoken = true
    if (this.#isClosing || this.#isClaiming) return
    clearTimeout(this.#timer)
    this.#claiming = this.#inContext(() => this.#claimWhileWoken())
  }

  /** Stops claiming. Resolves when every result is recorded or the budget has ended. */
  async close(budget: CloseBudget): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#timer)
    const ending = this.#endAttempts(budget)
    await budget.waitFor(ending)
    this.#isOver = true
    await ending
    clearInterval(this.#renewal)
  }

  async #endAttempts(budget: CloseBudget): Promise<void> {
    await this.#attempts.close(budget)
    // A claim in progress releases what it claims.
    await this.#claiming
    await this.#attempts.close(budget)
  }

  async #claimWhileWoken(): Promise<void> {
    this.#isClaiming = true
    let delayMs = this.#settings.pollIntervalMs
    while (this.#isWoken && !this.#isClosing && this.#freeSlots > 0) {
      this.#isWoken = false
      try {
        delayMs = this.#untilDue(await this.#claim())
        this.#outage.ended()
      } catch (error) {
        this.#outage.failed(error)
        delayMs = this.#settings.pollIntervalMs
      }
    }
    this.#isClaiming = false
    // With no free slot there is nothing to look for. A slot that becomes free wakes the loop.
    if (this.#isClosing || this.#freeSlots === 0) return
    // Unreferenced: events due later are stored, so they need not keep the process alive.
    this.#timer = setTimeout(() => this.wake(), delayMs).unref()
  }

  async #claim(): Promise<Claim> {
    const { leaseMs, now } = this.#settings
    const { name } = this.#consumer
    this.#noticeJump()
    if (performance.now() >= this.#settledAtMs) {
      await this.#correctTimes()
      await this.#endExpired(now())
    }
    const claimedAtMs = performance.now()
    const nowMs = now()
    const request = { name, limit: this.#freeSlots, token: randomUUID(), nowMs, leaseEndsAtMs: nowMs + leaseMs }
    const claim = await this.#store.claim(request)
    for (const claimed of claim.claimed) {
      this.#freeSlots -= 1
      this.#renewal ??= setInterval(() => void this.#renew(), leaseMs / 3).unref()
      void this.#attempts.run(claimed, { claimedAtMs, finish: (ended) => this.#finish(ended) })
    }
    return claim
  }

  /** After the clock was set, leaves other processes time to renew their leases by the new clock. */
  #noticeJump(): void {
    const jumpMs = this.#clock.jump()
    if (jumpMs === 0) return
    this.#settledAtMs = performance.now() + this.#settings.leaseMs / 2
    this.#correctAtMs = 0
    this.#consumer.note?.(jumpMessage(jumpMs))
  }

  async #correctTimes(): Promise<void> {
    if (this.#store.correctTimes === undefined || performance.now() < this.#correctAtMs) return
    const nowMs = this.#settings.now()
    await this.#store.correctTimes(this.#consumer.name, { nowMs, latestMs: nowMs + clockSlackMs })
    this.#correctAtMs = performance.now() + correctIntervalMs
  }

  /** Other processes may do this at the same time. The one that ends the attempt reports it. */
  async #endExpired(nowMs: number): Promise<void> {
    // Read before asking the store, so that an attempt that ends in the meantime does not count as expired.
    const { held } = this.#attempts
    for (const expired of await this.#store.expired(this.#consumer.name, { nowMs })) {
      // Skips the leases of this process. They are timed by a monotonic clock, and may look expired after the system clock is set.
      if (held.some(({ claimed }) => isSame(claimed.lease, expired.lease))) continue
      const ending = endingOfExpired(expired, { settings: this.#settings, consumer: this.#consumer })
      if (await this.#store.end(expired.lease, ending)) this.#attempts.reportExpired(expired, ending)
    }
  }

  #untilDue({ nextDueAtMs }: Claim): number {
    const { pollIntervalMs, now } = this.#settings
    if (nextDueAtMs === undefined) return pollIntervalMs
    return Math.min(pollIntervalMs, Math.max(1, nextDueAtMs - now()))
  }

  /** Frees the slot as soon as the handlers have settled. */
  async #finish(ended: EndedAttempt): Promise<void> {
    this.#freeSlots += 1
    const recorded = this.#record(ended)
    // Wakes the loop before the result is recorded. A store that groups writes then records it and claims the next event in
    // one transaction.
    this.wake()
    if (await recorded) ended.report()
  }

  /**
   * Retries while the store is unavailable, so a successful event does not run again. Meanwhile, the lease is renewed.
   *
   * @returns whether the result was recorded by this process.
   */
  async #record(ended: EndedAttempt): Promise<boolean> {
    while (ended.isHeld()) {
      try {
        const isEnded = await this.#store.end(ended.claimed.lease, ended.ending)
        this.#outage.ended()
        return isEnded
      } catch (error) {
        this.#outage.failed(error)
        if (this.#isOver) return false
        await sleep(recordRetryMs, undefined, { ref: false })
      }
    }
    return false
  }

  /** A renewal that fails or is never answered is retried at the next interval. In the meantime the lease runs down. */
  async #renew(): Promise<void> {
    const { leaseMs, now } = this.#settings
    // After a stall, this timer may fire before the one that marks leases as lost. Extending lost leases would delay their
    // events.
    this.#attempts.loseEndedLeases()
    const attempts = this.#attempts.held
    if (attempts.length === 0) return
    const sentAtMs = performance.now()
    try {
      const leases = attempts.map(({ claimed }) => claimed.lease)
      const nowMs = now()
      const renewed = await this.#store.renew(leases, { nowMs, endsAtMs: nowMs + leaseMs })
      this.#outage.ended()
      for (const attempt of attempts) {
        if (renewed.has(attempt.claimed.lease.id)) attempt.renewLease(sentAtMs)
        // An attempt that was recorded in the meantime no longer has or needs a lease.
        else if (this.#attempts.holds(attempt)) attempt.loseLease()
      }
    } catch (error) {
      this.#outage.failed(error)
    }
  }
}

function isSame(one: Lease, other: Lease): boolean {
  return one.id === other.id && one.token === other.token
}
