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
}

/** When an event that is done is forgotten, in milliseconds since 1970. There is one for each event, so it is all that is kept. */
type ForgetAtMs = number

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
  /**
   * Two generations: when the younger one is full, the elder one is dropped whole, but for the claims that still run.
   * Deleting the oldest entries of one large `Map` one by one would make every look at its beginning step over all that
   * was deleted before.
   */
  #younger = new Map<string, RunningClaim | ForgetAtMs>()
  #elder = new Map<string, RunningClaim | ForgetAtMs>()
  /** How many events the younger generation holds when it is full. */
  #maxYounger: number
  #youngerSinceMs: number
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
    const known = this.#find(key)
    if (typeof known === 'object' && known.leaseEndsAtMs > nowMs) return { state: 'in_progress' }
    if (typeof known === 'number' && known > nowMs) return { state: 'done' }
    const token = String(this.#nextToken)
    this.#nextToken += 1
    this.#set(key, { token, leaseEndsAtMs: nowMs + leaseMs }, nowMs)
    return { state: 'claimed', token }
  }

  complete(key: string, token: string): void {
    const known = this.#find(key)
    // Where nothing is known, the lease ended and nobody took over. The handlers did succeed, so it is done.
    if (typeof known === 'object' && known.token !== token) return
    const nowMs = this.#now()
    this.#set(key, nowMs + this.#rememberMs, nowMs)
  }

  release(key: string, token: string): void {
    const known = this.#find(key)
    if (typeof known !== 'object' || known.token !== token) return
    this.#younger.delete(key)
    this.#elder.delete(key)
  }

  #find(key: string): RunningClaim | ForgetAtMs | undefined {
    return this.#younger.get(key) ?? this.#elder.get(key)
  }

  #set(key: string, value: RunningClaim | ForgetAtMs, nowMs: number): void {
    const isFull = this.#younger.size >= this.#maxYounger && !this.#younger.has(key)
    if (isFull || nowMs - this.#youngerSinceMs >= this.#rememberMs) this.#beginGeneration(nowMs)
    this.#younger.set(key, value)
  }

  #beginGeneration(nowMs: number): void {
    const running = new Map<string, RunningClaim>()
    for (const [key, known] of this.#elder) {
      const isRunning = typeof known === 'object' && known.leaseEndsAtMs > nowMs
      // In the younger one as well, where it has been completed since.
      if (isRunning && !this.#younger.has(key)) running.set(key, known)
    }
    this.#elder = this.#younger
    this.#younger = running
    this.#maxYounger = running.size + this.#maxPerGeneration
    this.#youngerSinceMs = nowMs
  }
}
