import { checkHooks, checkWholeNumber } from '../check.ts'

/**
 * Tracks which events have been handled and which are in progress.
 *
 * To a store, an event is in one of three states:
 * - *unknown*: never claimed, or its claim was released or has expired. `claim` succeeds.
 * - *in progress*: claimed, with a token and an expiry. Ends with `complete` or `release`, or when the claim expires.
 *   The expiry keeps a handler that never ends from blocking the event.
 * - *done*: completed. Stays done for as long as the store remembers it: at least three days, because ScrapeNest retries
 *   for that long.
 *
 * A handler that outlives its claim must not affect a newer one: `complete` and `release` do nothing while another claim
 * is in progress. Without one, `complete` still marks the event as done, because its handlers succeeded. A store shared
 * by several processes must implement `claim` atomically.
 */
export interface DuplicateStore {
  /**
   * Claims an event, unless it is in progress or done.
   *
   * @param key identifies the event: at most 400 characters of well-formed text, see `eventKey`.
   * @param options.expiresInMs how long the claim lasts, in milliseconds.
   */
  claim(key: string, options: { readonly expiresInMs: number }): ClaimResult | Promise<ClaimResult>
  /** Marks the event as done, unless another claim is in progress. */
  complete(key: string, token: string): void | Promise<void>
  /** Ends the claim without marking the event as done. Does nothing if this claim has already ended. */
  release(key: string, token: string): void | Promise<void>
  /** Rejects if the store is unavailable. Called for probes only. */
  check?(): void | Promise<void>
  /** Called once by each receiver that uses this store, when the receiver closes. */
  close?(): void | Promise<void>
}

/** What `claim` found: it succeeded, another delivery is being handled, or the event is done. */
export type ClaimResult =
  | { readonly state: 'claimed'; readonly token: string }
  | { readonly state: 'in_progress' }
  | { readonly state: 'done' }

/** The options of `memoryDuplicates`. */
export interface MemoryDuplicatesOptions {
  /**
   * How long a handled event is remembered, in seconds.
   * @default 345600 (4 days): ScrapeNest retries for up to 3 days
   */
  readonly rememberSeconds?: number
  /**
   * Maximum number of remembered events, not counting those in progress. When full, the older half is evicted; events
   * in progress never are.
   * @default 100000: a retry of an evicted event runs the handlers again
   */
  readonly maxEvents?: number
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

/**
 * The default store, in the memory of this process. Other processes do not see it, and it is empty after a restart. If
 * that matters, use an inbox or a shared store. `pnpm bench --only memory` prints how much memory it takes.
 *
 * @throws {ConfigurationError} `configuration_invalid`: a limit is not a whole number, or is too small.
 */
export function memoryDuplicates(options: MemoryDuplicatesOptions = {}): DuplicateStore {
  checkHooks(options, ['now'])
  const { rememberSeconds = 345_600, maxEvents = 100_000, now = () => Date.now() } = options
  const rememberMs = checkWholeNumber('rememberSeconds', rememberSeconds, { min: 1 }) * 1000
  const halfOfMax = Math.floor(checkWholeNumber('maxEvents', maxEvents, { min: 2 }) / 2)
  const running = new Map<string, { readonly token: string; readonly expiresAtMs: number }>()
  // The time at which each done event is forgotten, in two generations. When the younger is full, the older is dropped.
  let younger = new Map<string, number>()
  let older = new Map<string, number>()
  let youngerSinceMs = now()
  let maxYounger = halfOfMax
  let lastToken = 0

  function makeRoom(nowMs: number): void {
    const isFull = running.size + younger.size >= maxYounger
    if (!isFull && nowMs - youngerSinceMs < rememberMs) return
    for (const [key, { expiresAtMs }] of running) if (expiresAtMs <= nowMs) running.delete(key)
    older = younger
    younger = new Map()
    youngerSinceMs = nowMs
    // Added on top, so that events in progress alone never fill a generation.
    maxYounger = running.size + halfOfMax
  }

  return {
    claim(key, { expiresInMs }) {
      const nowMs = now()
      const claim = running.get(key)
      if (claim !== undefined && claim.expiresAtMs > nowMs) return { state: 'in_progress' }
      const rememberedUntilMs = younger.get(key) ?? older.get(key)
      if (rememberedUntilMs !== undefined && rememberedUntilMs > nowMs) return { state: 'done' }
      makeRoom(nowMs)
      lastToken += 1
      const token = String(lastToken)
      running.set(key, { token, expiresAtMs: nowMs + expiresInMs })
      return { state: 'claimed', token }
    },
    complete(key, token) {
      const claim = running.get(key)
      // With no claim in progress, this one expired and no other replaced it, so the completion counts.
      if (claim !== undefined && claim.token !== token) return
      running.delete(key)
      younger.set(key, now() + rememberMs)
    },
    release(key, token) {
      if (running.get(key)?.token === token) running.delete(key)
    },
  }
}
