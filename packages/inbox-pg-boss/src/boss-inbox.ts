import {
  ConfigurationError,
  type Delivery,
  type InboxConsumer,
  type InboxEvent,
  WebhookError,
} from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import {
  type Inbox,
  type InboxCapabilities,
  type InboxPage,
  type InboxQuery,
  type InboxRecord,
  type InboxStats,
  LeaseLostError,
  type PurgeFilter,
  type ReplayFilter,
  type ReplayResult,
} from '@scrapenest-webhooks/inbox'
import {
  checkPageQuery,
  checkPurgeFilter,
  checkReplayFilter,
  InboxConsumers,
  type InboxSettings,
  WorkLoop,
} from '@scrapenest-webhooks/inbox/engine'
import type { BossStore } from './boss-store.ts'
import { cursorForm } from './job-rows.ts'
import type { PgBossInbox } from './pg-boss-inbox.ts'
import { type TransactionLike, toDb } from './transaction.ts'

/** The inbox contract on pg-boss: it stores, claims, retries and buries; the loop only asks it for as much as fits. */
export class BossInbox implements PgBossInbox {
  readonly #store: BossStore
  readonly #settings: InboxSettings
  readonly #consumers = new InboxConsumers<WorkLoop>({ closeStore: () => this.#store.close() })
  /** What runs here, by the signal that its handlers were given. */
  readonly #running = new WeakMap<AbortSignal, InboxEvent>()

  constructor(store: BossStore, settings: InboxSettings) {
    this.#store = store
    this.#settings = settings
  }

  get capabilities(): InboxCapabilities {
    return this.#store.capabilities
  }

  async put(event: InboxEvent): Promise<'stored' | 'duplicate'> {
    const result = await this.#store.put(event)
    if (result === 'stored') this.#wake(event.name)
    return result
  }

  async start(consumer: InboxConsumer): Promise<void> {
    await this.#consumers.start(consumer, {
      work: () => {
        const process = this.#watched(consumer.process as InboxProcessor)
        return new WorkLoop(this.#store, { consumer: { ...consumer, process }, settings: this.#settings })
      },
      open: () => this.#openFor(consumer),
    })
  }

  async check(): Promise<void> {
    await this.#store.check(this.#consumers.all()[0]?.name)
  }

  async close(options?: Parameters<Inbox['close']>[0]): Promise<void> {
    await this.#consumers.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async completeIn(transaction: TransactionLike, { signal }: Pick<Delivery, 'signal'>): Promise<void> {
    const db = toDb(transaction)
    const event = this.#running.get(signal)
    if (event === undefined) {
      throw new ConfigurationError('Expected the delivery that a handler of this inbox was given, and that still runs.')
    }
    if (!(await this.#store.completeIn(db, event))) throw new LeaseLostError()
  }

  async list(query: InboxQuery = {}): Promise<InboxPage> {
    const { limit } = checkPageQuery(query, cursorForm)
    const { limit: _limit, cursor, ...filter } = query
    return await this.#store.list(filter, { limit, cursor })
  }

  async get(
    eventId: string,
    { name = 'scrapenest' }: { readonly name?: string } = {},
  ): Promise<InboxRecord | undefined> {
    return await this.#store.get(eventId, name)
  }

  async stats({ name }: { readonly name?: string } = {}): Promise<InboxStats> {
    return await this.#store.stats(name)
  }

  async replay(filter: ReplayFilter): Promise<ReplayResult> {
    checkReplayFilter(filter)
    const result = await this.#store.replay(filter)
    for (const loop of this.#consumers.works()) loop.wake()
    return result
  }

  async purge(filter: PurgeFilter): Promise<number> {
    checkPurgeFilter(filter)
    return await this.#store.purge(filter)
  }

  async #openFor(consumer: InboxConsumer): Promise<void> {
    try {
      await this.#store.open(consumer.name)
    } finally {
      // Also if PostgreSQL cannot be reached yet: the loop finds out when it can.
      this.#consumers.workOf(consumer)?.wake()
    }
  }

  /** Knows what runs, and does not take for done what a transaction of the user's was to complete and did not. */
  #watched(process: InboxProcessor): InboxProcessor {
    return async (event, attempt) => {
      this.#running.set(attempt.signal, event)
      try {
        const result = await process(event, attempt)
        if (await this.#store.isStillRunning(event)) {
          const problem =
            'The handler ended without an error, but the transaction that completes its event was not committed.'
          throw new WebhookError('handler_failed', undefined, { cause: new Error(problem) })
        }
        return result
      } finally {
        this.#running.delete(attempt.signal)
      }
    }
  }

  #wake(name: string): void {
    for (const loop of this.#consumers.works(name)) loop.wake()
  }
}
