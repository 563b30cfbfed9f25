import type { InboxConsumer, InboxEvent } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import type {
  Inbox,
  InboxCapabilities,
  InboxGetOptions,
  InboxPage,
  InboxQuery,
  InboxRecord,
  InboxStats,
  PurgeFilter,
  ReplayFilter,
  ReplayResult,
} from '../contract.ts'
import type { EventStore } from '../event-store.ts'
import type { InboxSettings } from '../options.ts'
import { InboxConsumers } from '../worker/consumers.ts'
import { WorkLoop } from '../worker/work-loop.ts'
import { checkPurgeFilter, checkReplayFilter, readIdentity, readQuery, readStatsOptions } from './filters.ts'
import { Retention } from './retention.ts'

export interface StoredInboxOptions {
  /**
   * Whether the inbox deletes done events after `keepDoneMs`. Set `false` if the store deletes them itself.
   * @default true
   */
  readonly deletesDone?: boolean | undefined
  /** Wraps each consumer's processor. Default: no wrapper. */
  readonly wrapProcessor?: ((processor: InboxProcessor) => InboxProcessor) | undefined
}

const defaultCursorForm = /^[0-9]{1,15}$/

/**
 * Turns an `EventStore` into an `Inbox`: adds retention, and a work loop for each consumer that has a processor.
 *
 * @example
 * const inbox: Inbox = new StoredInbox(new MyStore(), readInboxOptions({ maxAttempts: 4 }))
 */
export class StoredInbox implements Inbox {
  readonly #store: EventStore
  readonly #settings: InboxSettings
  readonly #wrapProcessor: (processor: InboxProcessor) => InboxProcessor
  readonly #retention: Retention | undefined
  readonly #consumers = new InboxConsumers<WorkLoop>({ closeStore: () => this.#closeStore() })

  constructor(
    store: EventStore,
    settings: InboxSettings,
    { deletesDone = true, wrapProcessor = (processor) => processor }: StoredInboxOptions = {},
  ) {
    this.#store = store
    this.#settings = settings
    this.#wrapProcessor = wrapProcessor
    this.#retention = deletesDone ? new Retention(store, settings) : undefined
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
    await this.#consumers.start(consumer, {
      work: () => this.#createLoop(consumer),
      open: () => this.#openFor(consumer),
    })
  }

  async check(): Promise<void> {
    const name = this.#consumers.all()[0]?.name ?? 'scrapenest'
    if (this.#store.check === undefined) await this.#store.open(name)
    else await this.#store.check(name)
  }

  async close(options?: Parameters<Inbox['close']>[0]): Promise<void> {
    await this.#consumers.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async list(query: InboxQuery = {}): Promise<InboxPage> {
    const { filter, limit, cursor } = readQuery(query, this.#store.cursorForm ?? defaultCursorForm)
    return await this.#store.list(filter, { limit, cursor })
  }

  async get(eventId: string, options?: InboxGetOptions): Promise<InboxRecord | undefined> {
    return await this.#store.get(readIdentity(eventId, options))
  }

  async stats(options?: { readonly name?: string }): Promise<InboxStats> {
    return await this.#store.stats(readStatsOptions(options), { nowMs: this.#settings.now() })
  }

  async replay(filter: ReplayFilter): Promise<ReplayResult> {
    checkReplayFilter(filter)
    const result = await this.#store.replay(filter, { nowMs: this.#settings.now() })
    this.#wake()
    return result
  }

  async purge(filter: PurgeFilter): Promise<number> {
    checkPurgeFilter(filter)
    return await this.#store.purge(filter)
  }

  #createLoop(consumer: InboxConsumer): WorkLoop {
    const process = consumer.process && this.#wrapProcessor(consumer.process)
    const wrapped: InboxConsumer = {
      name: consumer.name,
      process,
      report: (error, event, attempt) => consumer.report(error, event, attempt),
      note: (message) => consumer.note?.(message),
    }
    return new WorkLoop(this.#store, { consumer: wrapped, settings: this.#settings })
  }

  async #openFor(consumer: InboxConsumer): Promise<void> {
    try {
      await this.#store.open(consumer.name)
      for (const problem of this.#store.problems?.() ?? []) consumer.report(problem)
    } finally {
      // Started even if the store cannot be opened yet: the loop keeps trying.
      const loop = this.#consumers.workOf(consumer)
      if (loop !== undefined) this.#retention?.start()
      loop?.wake()
    }
  }

  async #closeStore(): Promise<void> {
    await this.#retention?.stop()
    await this.#store.close()
  }

  #wake(name?: string): void {
    for (const loop of this.#consumers.works(name)) loop.wake()
  }
}
