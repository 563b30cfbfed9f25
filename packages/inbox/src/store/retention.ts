import type { EventStore } from '../event-store.ts'
import type { InboxSettings } from '../options.ts'

const longestIntervalMs = 60_000
const shortestIntervalMs = 100

/** Deletes done events after `keepDoneMs`. Dead ones are only deleted by `purge`. */
export class Retention {
  readonly #store: EventStore
  readonly #settings: InboxSettings
  #timer: NodeJS.Timeout | undefined
  #purging: Promise<void> | undefined
  #stopping = new AbortController()

  constructor(store: EventStore, settings: InboxSettings) {
    this.#store = store
    this.#settings = settings
  }

  start(): void {
    const intervalMs = Math.min(longestIntervalMs, Math.max(shortestIntervalMs, this.#settings.keepDoneMs / 10))
    this.#timer ??= setInterval(() => this.#purge(), intervalMs).unref()
  }

  /** Resolves when no purge is running. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    // A long purge must not delay shutdown. The next purge deletes the rest.
    this.#stopping.abort()
    await this.#purging
    this.#stopping = new AbortController()
  }

  #purge(): void {
    const finishedBefore = new Date(this.#settings.now() - this.#settings.keepDoneMs)
    this.#purging ??= this.#store
      .purge({ state: 'done', finishedBefore }, { signal: this.#stopping.signal })
      // Not reported here: other users of the store report that it is unavailable. The next purge deletes the rest.
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#purging = undefined
      })
  }
}
