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
import { checkPageQuery, checkPurgeFilter, checkReplayFilter, InboxConsumers } from './engine-parts.ts'
import type { EventStore } from './event-store.ts'
import type { InboxSettings } from './inbox-options.ts'
import { Retention } from './retention.ts'
import { WorkLoop } from './work-loop.ts'

/**
 * The inbox over a store: a work loop for each user with a processor, and the retention.
 *
 * @example
 * const inbox: Inbox = new StoredInbox(new MyStore(), settleInboxOptions({ maxAttempts: 4 }))
 */
export class StoredInbox implements Inbox {
  readonly #store: EventStore
  readonly #settings: InboxSettings
  readonly #retention: Retention
  readonly #users = new InboxConsumers<WorkLoop>()

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
    this.#users.add(consumer, () => new WorkLoop(this.#store, { consumer, settings }))
    try {
      await this.#store.open()
    } finally {
      // Also where the store cannot be opened yet: the loop finds out when it can.
      this.#users.workOf(consumer)?.wake()
      if (this.#users.workOf(consumer) !== undefined) this.#retention.start()
    }
  }

  async close({ graceMs = 10_000, consumer }: Parameters<Inbox['close']>[0] = {}): Promise<void> {
    await this.#users.close(graceMs, consumer)
    if (this.#users.size > 0) return
    await this.#retention.stop()
    await this.#store.close()
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
    for (const consumer of this.#users.all()) this.#users.workOf(consumer)?.wake()
    return result
  }

  async purge(filter: PurgeFilter): Promise<number> {
    checkPurgeFilter(filter)
    return await this.#store.purge(filter)
  }

  #wake(name: string): void {
    for (const consumer of this.#users.all()) if (consumer.name === name) this.#users.workOf(consumer)?.wake()
  }
}
