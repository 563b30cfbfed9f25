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

/**
 * The default store: in this process's memory. Other processes do not see it and a restart forgets it; where that
 * matters, use an inbox or a shared store. Bounded in age and count; a running claim is never forgotten before its lease ends.
 *
 * @throws {ConfigurationError} `configuration_invalid`: a bound that is no positive whole number.
 */
export function memoryDuplicates(options: MemoryDuplicatesOptions = {}): DuplicateStore {
  const { rememberSeconds = 345_600, maxEvents = 100_000, now = Date.now } = options
  const rememberMs = checkWholeNumber('rememberSeconds', rememberSeconds, { min: 1 }) * 1000
  const maxPerGeneration = Math.floor(checkWholeNumber('maxEvents', maxEvents, { min: 2 }) / 2)
  const running = new Map<string, { readonly token: string; readonly leaseEndsAtMs: number }>()
  // What is done, in two generations: when the younger one is full, the elder one is dropped whole.
  let younger: Generation = new Map()
  let elder: Generation = new Map()
  let youngerSinceMs = now()
  /** How many events are running or in the younger generation when that is full. */
  let maxYounger = maxPerGeneration
  let lastToken = 0

  function makeRoom(nowMs: number): void {
    const isFull = running.size + younger.size >= maxYounger
    if (!isFull && nowMs - youngerSinceMs < rememberMs) return
    for (const [key, { leaseEndsAtMs }] of running) if (leaseEndsAtMs <= nowMs) running.delete(key)
    elder = younger
    younger = new Map()
    youngerSinceMs = nowMs
    maxYounger = running.size + maxPerGeneration
  }

  return {
    claim(key, { leaseMs }) {
      const nowMs = now()
      const claim = running.get(key)
      if (claim !== undefined && claim.leaseEndsAtMs > nowMs) return { state: 'in_progress' }
      const hash = hashOf(key)
      const done = younger.get(placeOf(younger, key, hash)) ?? elder.get(placeOf(elder, key, hash))
      if (done !== undefined && done.untilMs > nowMs) return { state: 'done' }
      makeRoom(nowMs)
      lastToken += 1
      const token = String(lastToken)
      running.set(key, { token, leaseEndsAtMs: nowMs + leaseMs })
      return { state: 'claimed', token }
    },
    complete(key, token) {
      const claim = running.get(key)
      // Where nothing is known, the lease ended and nobody took over. The handlers did succeed, so it is done.
      if (claim !== undefined && claim.token !== token) return
      running.delete(key)
      younger.set(placeOf(younger, key, hashOf(key)), { key, untilMs: now() + rememberMs })
    },
    release(key, token) {
      if (running.get(key)?.token === token) running.delete(key)
    },
  }
}

/**
 * Events by the hash of their key. A `Map` of numbers, because one of strings reads memory that is far apart several times
 * for each look: once it is larger than the processor's cache, that costs more than to compute the hash.
 */
type Generation = Map<number, { readonly key: string; readonly untilMs: number }>

/** Where a key is, or would be: at its hash, or at the next number that no other key has, so that none is taken for another. */
function placeOf(generation: Generation, key: string, hash: number): number {
  let place = hash
  while ((generation.get(place)?.key ?? key) !== key) place = (place + 1) | 0
  return place
}

/** Another one in each process: nobody can choose keys that all have one hash. */
const seed = Math.floor(Math.random() * 2 ** 32)

/** FNV-1a: a whole number of 32 bits, which V8 keeps in place, and compares without looking elsewhere. */
export function hashOf(key: string): number {
  let hash = seed
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash
}
