import { ConfigurationError, checkWholeNumber, type InboxEvent, type InboxUser } from '@scrapenest-webhooks/core'
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
import type { EventStore } from './event-store.ts'
import type { InboxSettings } from './inbox-options.ts'
import { Retention } from './retention.ts'
import { WorkLoop } from './work-loop.ts'

const maxPageLength = 1000

/** The inbox over a store of our own: a work loop for each user with a processor, and the retention. */
export class StoredInbox implements Inbox {
  readonly #store: EventStore
  readonly #settings: InboxSettings
  readonly #retention: Retention
  /** Everyone who started and has not closed, with the loop that works for it. */
  readonly #users = new Map<InboxUser, WorkLoop | undefined>()

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

  async start(user: InboxUser): Promise<void> {
    if (!this.#users.has(user)) this.#users.set(user, this.#workFor(user))
    try {
      await this.#store.open()
    } finally {
      // Also where the store cannot be opened yet: the loop finds out when it can.
      this.#users.get(user)?.wake()
      if (user.process !== undefined && this.#users.has(user)) this.#retention.start()
    }
  }

  async close({ graceMs = 10_000, user }: Parameters<Inbox['close']>[0] = {}): Promise<void> {
    const leaving = user === undefined ? [...this.#users.keys()] : [user]
    const loops = leaving.map((one) => this.#users.get(one))
    for (const one of leaving) this.#users.delete(one)
    await Promise.all(loops.map((loop) => loop?.close(graceMs)))
    if (this.#users.size > 0) return
    await this.#retention.stop()
    await this.#store.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async list({ limit = 50, cursor, ...filter }: InboxQuery = {}): Promise<InboxPage> {
    checkWholeNumber('limit', limit, { min: 1, max: maxPageLength })
    if (cursor !== undefined && !/^[0-9]{1,15}$/.test(cursor)) {
      throw new ConfigurationError('Expected cursor to be the nextCursor of the page before.')
    }
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
    if (filter.eventId === undefined && filter.state === undefined) {
      throw new ConfigurationError(
        "replay needs an eventId or a state ('dead' or 'done'): it runs nothing by accident.",
      )
    }
    const result = await this.#store.replay(filter, { nowMs: this.#settings.now() })
    for (const loop of this.#users.values()) loop?.wake()
    return result
  }

  async purge(filter: PurgeFilter): Promise<number> {
    if (filter.state !== 'dead' && filter.state !== 'done') {
      throw new ConfigurationError("purge needs a state, 'dead' or 'done': what waits or runs is never deleted.")
    }
    return await this.#store.purge(filter)
  }

  #wake(name: string): void {
    for (const [user, loop] of this.#users) if (user.name === name) loop?.wake()
  }

  #workFor(user: InboxUser): WorkLoop | undefined {
    if (user.process === undefined) return undefined
    for (const [{ name }, loop] of this.#users) {
      if (loop === undefined || name !== user.name) continue
      throw new ConfigurationError(
        `Two receivers or workers named '${name}' process the same inbox. Give each its own name, or one of them processing: false.`,
      )
    }
    return new WorkLoop(this.#store, { user, settings: this.#settings })
  }
}
