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

interface Claim {
  /** The token as a number: the text of each would be kept for as long as its event. */
  readonly serial: number
  isDone: boolean
  /** The end of its lease while it runs; of its memory when it is done. */
  endsAtMs: number
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
  /**
   * Two generations: when the younger one is full, the elder one is dropped whole, but for the claims that still run.
   * Deleting the oldest entries of one large `Map` one by one would make every look at its beginning step over all that
   * was deleted before.
   */
  #younger = new Map<string, Claim>()
  #elder = new Map<string, Claim>()
  /** How many claims the younger generation holds when it is full. */
  #maxYounger: number
  #youngerSinceMs: number
  #nextSerial = 1
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
    if (known !== undefined && known.endsAtMs > nowMs) return { state: known.isDone ? 'done' : 'in_progress' }
    const serial = this.#nextSerial
    this.#nextSerial += 1
    this.#add(key, { serial, isDone: false, endsAtMs: nowMs + leaseMs }, nowMs)
    return { state: 'claimed', token: String(serial) }
  }

  complete(key: string, token: string): void {
    const nowMs = this.#now()
    const endsAtMs = nowMs + this.#rememberMs
    const claim = this.#find(key)
    if (claim === undefined) {
      // The lease ended and nobody took over. The handlers did succeed, so it is done.
      this.#add(key, { serial: Number(token), isDone: true, endsAtMs }, nowMs)
    } else if (String(claim.serial) === token) {
      claim.isDone = true
      claim.endsAtMs = endsAtMs
    }
  }

  release(key: string, token: string): void {
    const claim = this.#find(key)
    if (claim === undefined || claim.isDone || String(claim.serial) !== token) return
    this.#younger.delete(key)
    this.#elder.delete(key)
  }

  #find(key: string): Claim | undefined {
    return this.#younger.get(key) ?? this.#elder.get(key)
  }

  #add(key: string, claim: Claim, nowMs: number): void {
    if (this.#younger.size >= this.#maxYounger || nowMs - this.#youngerSinceMs >= this.#rememberMs) {
      this.#beginGeneration(nowMs)
    }
    this.#younger.set(key, claim)
  }

  #beginGeneration(nowMs: number): void {
    const running = new Map<string, Claim>()
    for (const [key, claim] of this.#elder) {
      if (!claim.isDone && claim.endsAtMs > nowMs) running.set(key, claim)
    }
    this.#elder = this.#younger
    this.#younger = running
    this.#maxYounger = running.size + this.#maxPerGeneration
    this.#youngerSinceMs = nowMs
  }
}
