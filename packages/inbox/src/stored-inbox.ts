import type { InboxConsumer, InboxEvent } from '@scrapenest-webhooks/core'
import type {
  Inbox,
  InboxCapabilities,
  InboxPage,
  InboxQuery,
  InboxRecord,
  InboxStats,
  PurgeFilter,
  ReplayFilter,
  ReplayResult,
} from './contract.ts'
import { checkPageQuery, checkPurgeFilter, checkReplayFilter } from './engine-parts.ts'
import type { EventStore } from './event-store.ts'
import { InboxConsumers } from './inbox-consumers.ts'
import type { InboxSettings } from './inbox-options.ts'
import { Retention } from './retention.ts'
import { WorkLoop } from './work-loop.ts'

/**
 * The inbox over a store: a work loop for each consumer with a processor, and the retention.
 *
 * @example
 * const inbox: Inbox = new StoredInbox(new MyStore(), settleInboxOptions({ maxAttempts: 4 }))
 */
export class StoredInbox implements Inbox {
  readonly #store: EventStore
  readonly #settings: InboxSettings
  readonly #retention: Retention
  readonly #consumers = new InboxConsumers<WorkLoop>({ closeStore: () => this.#closeStore() })

  constructor(store: EventStore, settings: InboxSettings) {
    this.#store = store
    this.#settings = settings
    this.#retention = new Retention(store, settings)
  }

  get capabilities(): InboxCapabilities {
    return this.#store.capabilities
  }

  async put(event: InboxEvent): Promise<'stored' | 'duplicate'> {
    const result = await this.#store.put(event, { nowMs: this.#settings.now() })
    if (result === 'stored') this.#wake(event.name)
    return result
  }

  async start(consumer: InboxConsumer): Promise<void> {
    const settings = this.#settings
    await this.#consumers.start(consumer, {
      work: () => new WorkLoop(this.#store, { consumer, settings }),
      open: () => this.#openFor(consumer),
    })
  }

  async check(): Promise<void> {
    if (this.#store.check === undefined) await this.#store.open()
    else await this.#store.check()
  }

  async close(options?: Parameters<Inbox['close']>[0]): Promise<void> {
    await this.#consumers.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async list(query: InboxQuery = {}): Promise<InboxPage> {
    const { limit } = checkPageQuery(query, /^[0-9]{1,15}$/)
    const { limit: _, cursor, ...filter } = query
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
    const result = await this.#store.replay(filter, { nowMs: this.#settings.now() })
    for (const loop of this.#consumers.works()) loop.wake()
    return result
  }

  async purge(filter: PurgeFilter): Promise<number> {
    checkPurgeFilter(filter)
    return await this.#store.purge(filter)
  }

  async #openFor(consumer: InboxConsumer): Promise<void> {
    try {
      await this.#store.open()
    } finally {
      // Also if the store cannot be opened yet: the loop finds out when it can.
      const loop = this.#consumers.workOf(consumer)
      if (loop !== undefined) this.#retention.start()
      loop?.wake()
    }
  }

  async #closeStore(): Promise<void> {
    await this.#retention.stop()
    await this.#store.close()
  }

  #wake(name: string): void {
    for (const loop of this.#consumers.works(name)) loop.wake()
  }
}
