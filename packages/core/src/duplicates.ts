import { checkWholeNumber } from './check-options.ts'

/**
 * Remembers which events were handled, and which are being handled now.
 *
 * An event is, for a store, in one of three states:
 * - *unknown*: nobody has claimed it, or its claim was released, or its claim's lease has ended. `claim` takes it.
 * - *in progress*: claimed, with a token and a lease. Ends with `complete`, `release`, or the end of the lease, so that
 *   a handler that never ends does not swallow the event.
 * - *done*: completed. Stays so for as long as the store remembers; at least three days, the time ScrapeNest sends again.
 *
 * `complete` and `release` act only where the token is the one of the running claim: a handler that outlived its lease
 * must not touch the claim of its successor. A store that several processes share must decide `claim` atomically.
 */
export interface DuplicateStore {
  /** @param key the receiver's name and the event id. */
  claim(key: string, options: { readonly leaseMs: number }): ClaimResult | Promise<ClaimResult>
  complete(key: string, token: string): void | Promise<void>
  release(key: string, token: string): void | Promise<void>
  /** Called once, when the receiver that was given this store has closed. */
  close?(): void | Promise<void>
}

export type ClaimResult =
  | { readonly state: 'claimed'; readonly token: string }
  | { readonly state: 'in_progress' }
  | { readonly state: 'done' }

export interface MemoryDuplicatesOptions {
  /**
   * How long a handled event is remembered, in seconds.
   * @default 345600 (4 days): ScrapeNest sends again for up to 3 days.
   */
  readonly rememberSeconds?: number
  /**
   * How many handled events are remembered at most. When they are reached, the older half is forgotten at once.
   * @default 100000, about 20 MB with UUIDs as ids
   */
  readonly maxEvents?: number
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

interface RunningClaim {
  readonly token: string
  readonly endsAtMs: number
}

/**
 * The default store: in this process's memory. Other processes do not see it and a restart forgets it; where that
 * matters, use an inbox or a shared store. Bounded in age and count; a running claim is never forgotten before its lease ends.
 *
 * @throws {ConfigurationError} `configuration_invalid`: a bound that is no positive whole number.
 */
export function memoryDuplicates(options: MemoryDuplicatesOptions = {}): DuplicateStore {
  const { rememberSeconds = 345_600, maxEvents = 100_000, now = Date.now } = options
  checkWholeNumber('rememberSeconds', rememberSeconds, { min: 1 })
  checkWholeNumber('maxEvents', maxEvents, { min: 2 })
  return new MemoryDuplicates(rememberSeconds * 1000, maxEvents, now)
}

const leaseCheckIntervalMs = 60_000

class MemoryDuplicates implements DuplicateStore {
  readonly #running = new Map<string, RunningClaim>()
  /**
   * Key to time of completion, in two generations of at most half of `maxEvents` each: when the younger is full, the
   * elder is dropped whole. Deleting the oldest entries of one large `Map` one by one would make every look at its
   * beginning step over all that was deleted before.
   */
  #younger = new Map<string, number>()
  #elder = new Map<string, number>()
  #youngerSinceMs: number
  readonly #rememberMs: number
  readonly #maxPerGeneration: number
  readonly #now: () => number
  #claims = 0
  #nextLeaseCheckMs = 0

  constructor(rememberMs: number, maxEvents: number, now: () => number) {
    this.#rememberMs = rememberMs
    this.#maxPerGeneration = Math.floor(maxEvents / 2)
    this.#now = now
    this.#youngerSinceMs = now()
  }

  claim(key: string, { leaseMs }: { readonly leaseMs: number }): ClaimResult {
    const nowMs = this.#now()
    const doneAtMs = this.#younger.get(key) ?? (this.#elder.size === 0 ? undefined : this.#elder.get(key))
    if (doneAtMs !== undefined && nowMs - doneAtMs < this.#rememberMs) return { state: 'done' }
    if (nowMs >= this.#nextLeaseCheckMs) this.#dropEndedLeases(nowMs)
    const running = this.#running.get(key)
    if (running !== undefined && running.endsAtMs > nowMs) return { state: 'in_progress' }
    this.#claims += 1
    const token = String(this.#claims)
    this.#running.set(key, { token, endsAtMs: nowMs + leaseMs })
    return { state: 'claimed', token }
  }

  complete(key: string, token: string): void {
    const running = this.#running.get(key)
    // No claim at all: the lease ended and nobody took over. The handlers did succeed, so it is done.
    if (running !== undefined && running.token !== token) return
    this.#running.delete(key)
    this.#remember(key, this.#now())
  }

  release(key: string, token: string): void {
    if (this.#running.get(key)?.token === token) this.#running.delete(key)
  }

  #remember(key: string, nowMs: number): void {
    const isFull = this.#younger.size >= this.#maxPerGeneration
    if (isFull || nowMs - this.#youngerSinceMs >= this.#rememberMs) {
      this.#elder = this.#younger
      this.#younger = new Map()
      this.#youngerSinceMs = nowMs
    }
    this.#younger.set(key, nowMs)
  }

  /** Now and then, and not at each claim: a lease that has ended counts for nothing wherever it is looked at. */
  #dropEndedLeases(nowMs: number): void {
    this.#nextLeaseCheckMs = nowMs + leaseCheckIntervalMs
    for (const [key, { endsAtMs }] of this.#running) if (endsAtMs <= nowMs) this.#running.delete(key)
  }
}
