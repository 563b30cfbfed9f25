import { checkWholeNumber } from './check-options.ts'
import { hashOf, RememberedKeys } from './remembered-keys.ts'

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
   * How many events are remembered at most; one that is being handled takes room as well. When they are reached, the older
   * half is forgotten at once, but for what is still being handled.
   * @default 100000. What that takes of the heap, `npx -y pnpm@12 bench --only memory` prints, in the repository.
   */
  readonly maxEvents?: number
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

interface RunningClaim {
  readonly token: string
  readonly leaseEndsAtMs: number
  /** Of its key. */
  readonly hash: number
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

class MemoryDuplicates implements DuplicateStore {
  readonly #running = new Map<string, RunningClaim>()
  /** What is done, in two generations: when the younger one is full, the elder one is dropped whole. */
  #younger = new RememberedKeys()
  #elder = new RememberedKeys()
  #youngerSinceMs: number
  /** How many events are running or in the younger generation when that is full. */
  #maxYounger: number
  #nextToken = 1
  readonly #rememberMs: number
  readonly #maxPerGeneration: number
  readonly #now: () => number

  constructor(rememberMs: number, maxEvents: number, now: () => number) {
    this.#rememberMs = rememberMs
    this.#maxPerGeneration = Math.floor(maxEvents / 2)
    this.#maxYounger = this.#maxPerGeneration
    this.#now = now
    this.#youngerSinceMs = now()
  }

  claim(key: string, { leaseMs }: { readonly leaseMs: number }): ClaimResult {
    const nowMs = this.#now()
    const running = this.#running.get(key)
    if (running !== undefined && running.leaseEndsAtMs > nowMs) return { state: 'in_progress' }
    const hash = hashOf(key)
    const forgetAtMs = this.#younger.untilMs(key, hash) || this.#elder.untilMs(key, hash)
    if (forgetAtMs > nowMs) return { state: 'done' }
    this.#makeRoom(nowMs)
    const token = String(this.#nextToken)
    this.#nextToken += 1
    this.#running.set(key, { token, leaseEndsAtMs: nowMs + leaseMs, hash })
    return { state: 'claimed', token }
  }

  complete(key: string, token: string): void {
    const running = this.#running.get(key)
    // Where nothing is known, the lease ended and nobody took over. The handlers did succeed, so it is done.
    if (running !== undefined && running.token !== token) return
    this.#running.delete(key)
    this.#younger.remember(key, running?.hash ?? hashOf(key), this.#now() + this.#rememberMs)
  }

  release(key: string, token: string): void {
    if (this.#running.get(key)?.token === token) this.#running.delete(key)
  }

  #makeRoom(nowMs: number): void {
    const isFull = this.#running.size + this.#younger.size >= this.#maxYounger
    if (!isFull && nowMs - this.#youngerSinceMs < this.#rememberMs) return
    for (const [key, { leaseEndsAtMs }] of this.#running) if (leaseEndsAtMs <= nowMs) this.#running.delete(key)
    this.#elder = this.#younger
    this.#younger = new RememberedKeys()
    this.#youngerSinceMs = nowMs
    this.#maxYounger = this.#running.size + this.#maxPerGeneration
  }
}
