import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigurationError, type InboxConsumer } from '@scrapenest-webhooks/core'
import { checkGraceMs, defaultCloseGraceMs } from '@scrapenest-webhooks/core/adapter'
import type { Inbox } from '../contract.ts'
import { isPermanent, toStoreError } from '../errors.ts'
import { CloseBudget } from './close-budget.ts'

/** Claims events and runs handlers for one consumer: a `WorkLoop`, or an engine's own implementation. */
export interface ConsumerWork {
  /**
   * Stops claiming and ends running attempts with `budget.endAttempts`. Resolves once it no longer uses the store, even if
   * the budget has ended by then.
   */
  close(budget: CloseBudget): Promise<void>
}

/** How a consumer is started. */
export interface ConsumerStart<Work> {
  /** Creates the work. Not called if the consumer has no processor or has already started. */
  readonly work: () => Work
  /** Opens the store. Called once any earlier `close` of the store has finished, unless the consumer has left by then. */
  readonly open: () => Promise<void>
}

/** The delay between two attempts to open an unavailable store, in milliseconds. */
const openRetryMs = 1000

/** Consumers that leave together, and their time budget. */
interface Departure {
  readonly consumers: ReadonlySet<InboxConsumer>
  readonly budget: CloseBudget
  /** Settles when they have left or the budget has ended. */
  readonly ended: Promise<void>
}

/**
 * The consumers of an inbox, with the work of each. A consumer is in one of three states:
 * - *active*: entered by `start`. A receiver that only stores has no processor, and therefore no work.
 * - *leaving*: entered by `close`. Within the budget, its handlers may finish and its events are released. Another `close`
 *   can shorten the budget. `start` makes the consumer *active* again, with new work.
 * - *closed*: it has left. The store closes with the last consumer and opens again for the next.
 */
export class InboxConsumers<Work extends ConsumerWork> {
  readonly #closeStore: () => Promise<void>
  readonly #active = new Map<InboxConsumer, Work | undefined>()
  readonly #departures = new Set<Departure>()
  readonly #openings = new Set<Promise<void>>()
  /** Consumers that are waiting for an unavailable store to open. */
  readonly #waiting = new Set<InboxConsumer>()
  /** How many leaving consumers have work that still uses the store. */
  #leavingWorks = 0
  /** Closing that continues after its budget, until the store has answered. */
  readonly #background = new Set<Promise<void>>()
  /** Resolves when no `close` of the store is in progress. */
  #storeClosed: Promise<void> = Promise.resolve()

  /** @param options.closeStore closes what all consumers share. Called when the last one has left. */
  constructor({ closeStore }: { readonly closeStore: () => Promise<void> }) {
    this.#closeStore = closeStore
  }

  has(consumer: InboxConsumer): boolean {
    return this.#active.has(consumer)
  }

  /** The active consumers. */
  all(): readonly InboxConsumer[] {
    return [...this.#active.keys()]
  }

  /** `undefined` if the consumer has no processor, or is leaving or closed. */
  workOf(consumer: InboxConsumer): Work | undefined {
    return this.#active.get(consumer)
  }

  /** The work of all active consumers, or of those with this name. */
  works(name?: string): readonly Work[] {
    const works: Work[] = []
    for (const [consumer, work] of this.#active) {
      if (work !== undefined && (name === undefined || consumer.name === name)) works.push(work)
    }
    return works
  }

  /**
   * Implements `Inbox.start`.
   *
   * @throws {ConfigurationError} `configuration_invalid`: another consumer of the same name has a processor.
   */
  async start(consumer: InboxConsumer, { work, open }: ConsumerStart<Work>): Promise<void> {
    if (!this.has(consumer)) {
      if (consumer.process !== undefined) this.#checkAlone(consumer.name)
      this.#active.set(consumer, consumer.process === undefined ? undefined : work())
    }
    try {
      await this.#open(consumer, open)
    } catch (error) {
      void this.#retryOpening(consumer, open)
      const failure = toStoreError(error)
      if (isPermanent(failure)) throw failure
      // If the consumer has a processor, its work reports the outage when a claim fails.
      if (consumer.process === undefined) consumer.report(failure)
    }
  }

  async #open(consumer: InboxConsumer, open: () => Promise<void>): Promise<void> {
    const opening = this.#storeClosed.then(() => (this.has(consumer) ? open() : undefined))
    this.#openings.add(opening)
    try {
      await opening
    } finally {
      this.#openings.delete(opening)
    }
  }

  async #retryOpening(consumer: InboxConsumer, open: () => Promise<void>): Promise<void> {
    if (this.#waiting.has(consumer)) return
    this.#waiting.add(consumer)
    let isOpen = false
    while (!isOpen && this.has(consumer)) {
      await sleep(openRetryMs, undefined, { ref: false })
      isOpen = this.has(consumer) && (await this.#opens(consumer, open))
    }
    this.#waiting.delete(consumer)
    if (isOpen && consumer.process === undefined) consumer.note?.("The inbox's store is available again.")
  }

  async #opens(consumer: InboxConsumer, open: () => Promise<void>): Promise<boolean> {
    try {
      await this.#open(consumer, open)
      return true
    } catch {
      return false
    }
  }

  /**
   * Implements `Inbox.close`.
   *
   * @throws {ConfigurationError} `configuration_invalid`: `graceMs` is invalid. Nothing has been closed.
   */
  async close({ graceMs = defaultCloseGraceMs, consumer }: Parameters<Inbox['close']>[0] = {}): Promise<void> {
    checkGraceMs('graceMs', graceMs)
    const departures = [...this.#departures].filter(
      ({ consumers }) => consumer === undefined || consumers.has(consumer),
    )
    for (const { budget } of departures) budget.shorten(graceMs)
    const leaving = consumer === undefined ? this.all() : [consumer].filter((one) => this.has(one))
    if (leaving.length > 0 || departures.length === 0) {
      // Closing all consumers also waits for what an earlier `close` left in the background.
      departures.push(this.#depart(leaving, graceMs, consumer === undefined ? [...this.#background] : []))
    }
    await Promise.all(departures.map(({ ended }) => ended))
  }

  #depart(leaving: readonly InboxConsumer[], graceMs: number, earlier: readonly Promise<void>[]): Departure {
    const budget = new CloseBudget(graceMs)
    const ended = this.#leave(leaving, budget, earlier).finally(() => this.#departures.delete(departure))
    const departure: Departure = { consumers: new Set(leaving), budget, ended }
    this.#departures.add(departure)
    return departure
  }

  /** Rejects with the first failure of the work or the store, if it occurs within the budget. */
  async #leave(
    leaving: readonly InboxConsumer[],
    budget: CloseBudget,
    earlier: readonly Promise<void>[],
  ): Promise<void> {
    const works = leaving.map((one) => this.#active.get(one))
    for (const one of leaving) this.#active.delete(one)
    const failures: unknown[] = []
    const fail = (error: unknown): void => void failures.push(error)
    this.#leavingWorks += 1
    const worked = Promise.all(works.map((work) => work?.close(budget).catch(fail)))
    const left = worked
      .then(async () => {
        this.#leavingWorks -= 1
        await this.#closeStoreWithLast()
      })
      .catch(fail)
    this.#background.add(left)
    void left.then(() => this.#background.delete(left))
    await budget.waitFor(Promise.all([left, ...earlier]))
    budget.stop()
    if (failures.length > 0) throw failures[0]
  }

  async #closeStoreWithLast(): Promise<void> {
    if (this.#active.size > 0 || this.#leavingWorks > 0) return
    // A store that is still opening would otherwise stay open.
    await Promise.allSettled(this.#openings)
    if (this.#active.size > 0) return
    const closed = this.#storeClosed.then(this.#closeStore)
    this.#storeClosed = closed.catch(() => {})
    await closed
  }

  #checkAlone(name: string): void {
    if (this.works(name).length === 0) return
    throw new ConfigurationError(
      `Two receivers or workers named '${name}' process the same inbox. Use different names, or set processing: false on one of them.`,
    )
  }
}
