import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InboxConsumer } from '@scrapenest-webhooks/core'
import { toStoreError } from '../errors.ts'
import type { Claim, EventStore, Lease } from '../event-store.ts'
import type { InboxSettings } from '../options.ts'
import { Attempts, type EndedAttempt } from './attempts.ts'
import { ClockWatch } from './clock-watch.ts'
import type { CloseBudget } from './close-budget.ts'
import type { ConsumerWork } from './consumers.ts'
import { endingOfExpired } from './ending.ts'

/** How often to look for events that were scheduled by a clock since set back, in milliseconds. */
const correctIntervalMs = 60_000

/** How far the clocks of processes may differ, in milliseconds. */
const clockSlackMs = 60_000

/** The delay between two tries to record an ending while the store is unavailable, in milliseconds. */
const recordRetryMs = 250

/**
 * Claims the events of one consumer from an `EventStore`, as many at a time as `concurrency` allows, renews their leases
 * and records how their attempts end.
 *
 * It looks for work when it is woken (an event was stored, a slot became free), when the next event is due, and every
 * `pollIntervalMs` for events that other processes stored. While all slots are taken it does not look.
 */
export class WorkLoop implements ConsumerWork {
  readonly #store: EventStore
  readonly #consumer: InboxConsumer
  readonly #settings: InboxSettings
  readonly #attempts: Attempts
  #freeSlots: number
  #claiming: Promise<void> = Promise.resolve()
  #isClaiming = false
  #isWoken = false
  #isClosing = false
  /** Whether the time for closing is up. An attempt whose ending is not recorded by then ends with its lease. */
  #isOver = false
  #isStoreUnavailable = false
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined
  readonly #clock: ClockWatch
  /** Until when ended leases of other processes are left alone, after the clock was set. By `performance.now()`. */
  #settledAtMs = 0
  /** When times are corrected next, by `performance.now()`. */
  #correctAtMs = 0

  constructor(store: EventStore, options: { readonly consumer: InboxConsumer; readonly settings: InboxSettings }) {
    this.#store = store
    this.#consumer = options.consumer
    this.#settings = options.settings
    this.#attempts = new Attempts(options)
    this.#clock = new ClockWatch(options.settings)
    this.#freeSlots = options.settings.concurrency
  }

  /** Looks for work now, or once more if it is already looking. */
  wake(): void {
    this.#isWoken = true
    if (this.#isClosing || this.#isClaiming) return
    clearTimeout(this.#timer)
    this.#claiming = this.#claimWhileWoken()
  }

  /** Stops claiming, and resolves when every ending is recorded or the budget has ended. */
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
    // A claim in progress gives back what it claims.
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
        this.#storeAnswered()
      } catch (error) {
        this.#storeFailed(error)
        delayMs = this.#settings.pollIntervalMs
      }
    }
    this.#isClaiming = false
    // A slot that becomes free wakes the loop; until then there is no point in looking.
    if (this.#isClosing || this.#freeSlots === 0) return
    // Unreferenced: events that are due later are stored, so they need not keep the process alive.
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

  /** After the clock was set, gives other processes time to renew their leases by the new clock. */
  #noticeJump(): void {
    const jumpMs = this.#clock.jump()
    if (jumpMs === 0) return
    this.#settledAtMs = performance.now() + this.#settings.leaseMs / 2
    this.#correctAtMs = 0
    const direction = jumpMs > 0 ? 'forward' : 'back'
    this.#consumer.note?.(`The system clock was set ${direction} by ${Math.abs(jumpMs) / 1000} s.`)
  }

  async #correctTimes(): Promise<void> {
    if (this.#store.correctTimes === undefined || performance.now() < this.#correctAtMs) return
    const nowMs = this.#settings.now()
    await this.#store.correctTimes(this.#consumer.name, { nowMs, latestMs: nowMs + clockSlackMs })
    this.#correctAtMs = performance.now() + correctIntervalMs
  }

  /** Another process may do so at the same time: whichever ends the attempt reports it. */
  async #endExpired(nowMs: number): Promise<void> {
    const held = new Set(this.#attempts.held.map(({ claimed }) => keyOf(claimed.lease)))
    for (const expired of await this.#store.expired(this.#consumer.name, { nowMs })) {
      // This process judges its own leases by monotonic time. By a wall clock that was set, they may seem to have ended.
      if (held.has(keyOf(expired.lease))) continue
      const ending = endingOfExpired(expired, this.#settings)
      if (await this.#store.end(expired.lease, ending)) this.#attempts.reportExpired(expired, ending)
    }
  }

  #untilDue({ nextDueAtMs }: Claim): number {
    const { pollIntervalMs, now } = this.#settings
    if (nextDueAtMs === undefined) return pollIntervalMs
    return Math.min(pollIntervalMs, Math.max(1, nextDueAtMs - now()))
  }

  /** Frees the slot as soon as the handlers have ended. */
  async #finish(ended: EndedAttempt): Promise<void> {
    this.#freeSlots += 1
    const recorded = this.#record(ended)
    // Wakes before it is recorded, so that a store that groups writes records it and claims the next in one transaction.
    this.wake()
    if (await recorded) ended.report()
  }

  /**
   * Retries while the store is unavailable, so that a success is not run again. The lease is renewed meanwhile.
   *
   * @returns whether the ending was recorded here.
   */
  async #record(ended: EndedAttempt): Promise<boolean> {
    while (!ended.isLeaseLost) {
      try {
        const isEnded = await this.#store.end(ended.claimed.lease, ended.ending)
        this.#storeAnswered()
        return isEnded
      } catch (error) {
        this.#storeFailed(error)
        if (this.#isOver) return false
        await sleep(recordRetryMs, undefined, { ref: false })
      }
    }
    return false
  }

  /** A renewal that fails, or is never answered, is retried at the next interval. Until then the lease keeps running out. */
  async #renew(): Promise<void> {
    const { leaseMs, now } = this.#settings
    // After a stall, this timer may fire before the one that loses ended leases. Extending those would delay their events.
    this.#attempts.loseEndedLeases()
    const attempts = this.#attempts.held
    if (attempts.length === 0) return
    const sentAtMs = performance.now()
    try {
      const leases = attempts.map(({ claimed }) => claimed.lease)
      const nowMs = now()
      const renewed = await this.#store.renew(leases, { nowMs, endsAtMs: nowMs + leaseMs })
      this.#storeAnswered()
      for (const attempt of attempts) {
        if (renewed.has(attempt.claimed.lease.id)) attempt.renewLease(sentAtMs)
        // An attempt that was recorded in the meantime has no lease and needs none.
        else if (this.#attempts.holds(attempt)) attempt.loseLease()
      }
    } catch (error) {
      this.#storeFailed(error)
    }
  }

  /** Reports once per outage. */
  #storeFailed(error: unknown): void {
    if (!this.#isStoreUnavailable) this.#consumer.report(toStoreError(error))
    this.#isStoreUnavailable = true
  }

  #storeAnswered(): void {
    if (this.#isStoreUnavailable) this.#consumer.note?.('The store of the inbox is available again.')
    this.#isStoreUnavailable = false
  }
}

function keyOf({ id, token }: Lease): string {
  return `${id} ${token}`
}
