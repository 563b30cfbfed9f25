import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkHooks, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { type Backoff, jitteredBackoff } from './backoff.ts'
import { isTime, longestKeepMs } from './times.ts'

/** How events are processed and kept. The same for every store. */
export interface InboxOptions {
  /**
   * Maximum number of events of one receiver that this process handles concurrently.
   * @default 10
   */
  readonly concurrency?: number | undefined
  /**
   * Maximum attempts, including those lost to a crash.
   * @default 8: with the default backoff the last attempt is up to 8 hours after the first
   */
  readonly maxAttempts?: number | undefined
  /**
   * The delay before the next attempt, in milliseconds, given how many have failed. A `RetryLaterError` takes precedence.
   * @default jitteredBackoff()
   */
  readonly backoff?: Backoff | undefined
  /**
   * Time limit for the handlers of an event, in milliseconds.
   * @default 60000: then their `signal` is aborted, and the attempt fails unless they still succeed within `graceMs`
   */
  readonly handlerTimeoutMs?: number | undefined
  /**
   * How long a handler past its time limit keeps its slot, in milliseconds.
   * @default 10000: then the attempt has failed, whatever the handler does
   */
  readonly graceMs?: number | undefined
  /**
   * How long a lease lasts without renewal, in milliseconds. It is renewed while handlers run.
   * @default 60000: the events of a process that died are retried after this time
   */
  readonly leaseMs?: number | undefined
  /**
   * How often to look for events that other processes stored, in milliseconds. Events stored by this process are seen at once.
   * @default 1000
   */
  readonly pollIntervalMs?: number | undefined
  /**
   * Whether the body and signed headers of a done event are kept.
   * @default true; `false` saves space and stores no personal data longer than needed, but done events cannot be replayed
   */
  readonly keepPayload?: boolean | undefined
  /**
   * How long done events are kept, in milliseconds. Dead ones are kept until `purge`.
   * @default 604800000 (7 days): ScrapeNest retries for up to 3 days, and duplicates of a deleted event are not recognized
   */
  readonly keepDoneMs?: number | undefined
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined
  /** Source of the default backoff's jitter: from 0 up to 1. @default Math.random */
  readonly random?: (() => number) | undefined
}

/** The options with every default filled in and every rule checked. */
export interface InboxSettings {
  readonly concurrency: number
  readonly maxAttempts: number
  readonly backoff: Backoff
  readonly handlerTimeoutMs: number
  readonly graceMs: number
  readonly leaseMs: number
  readonly pollIntervalMs: number
  readonly keepPayload: boolean
  readonly keepDoneMs: number
  readonly now: () => number
  /** Whether `now` is the system's clock, which an operator or NTP may set. */
  readonly hasSystemClock: boolean
}

export const inboxOptions: Readonly<Record<keyof InboxOptions, true>> = {
  backoff: true,
  concurrency: true,
  graceMs: true,
  handlerTimeoutMs: true,
  keepDoneMs: true,
  keepPayload: true,
  leaseMs: true,
  maxAttempts: true,
  now: true,
  pollIntervalMs: true,
  random: true,
}

/** The largest delay that Node's timers can hold. */
const maxTimeoutMs = 2_147_483_647

/** @throws {ConfigurationError} `configuration_invalid`, with the option and what to do about it. */
export function readInboxOptions(options: InboxOptions): InboxSettings {
  checkHooks(options, ['backoff', 'now', 'random'])
  const { keepPayload = true } = options
  if (typeof keepPayload !== 'boolean') {
    throw new ConfigurationError(`Expected keepPayload to be true or false, got ${typeof keepPayload}.`)
  }
  const milliseconds = (name: keyof InboxOptions, value: number, min: number): number =>
    checkWholeNumber(name, value, { min, max: maxTimeoutMs })
  return {
    concurrency: checkWholeNumber('concurrency', options.concurrency ?? 10, { min: 1, max: 1000 }),
    maxAttempts: checkWholeNumber('maxAttempts', options.maxAttempts ?? 8, { min: 1 }),
    backoff: options.backoff ?? jitteredBackoff(undefined, options.random),
    handlerTimeoutMs: milliseconds('handlerTimeoutMs', options.handlerTimeoutMs ?? 60_000, 1),
    graceMs: milliseconds('graceMs', options.graceMs ?? 10_000, 0),
    leaseMs: milliseconds('leaseMs', options.leaseMs ?? 60_000, 30),
    pollIntervalMs: milliseconds('pollIntervalMs', options.pollIntervalMs ?? 1000, 1),
    keepPayload,
    keepDoneMs: checkWholeNumber('keepDoneMs', options.keepDoneMs ?? 604_800_000, { min: 0, max: longestKeepMs }),
    now: checkedClock(options.now),
    hasSystemClock: options.now === undefined,
  }
}

/**
 * A clock that only returns whole milliseconds that a `Date` can hold, because no other number may reach a store. While a
 * custom clock returns anything else, the system's clock is used.
 *
 * @throws {ConfigurationError} `configuration_invalid`: its first reading is not such a number.
 */
function checkedClock(clock: (() => number) | undefined): () => number {
  if (clock === undefined) return () => Date.now()
  if (!isTime(read())) throw new ConfigurationError('Expected now to return milliseconds since 1970.')
  return () => {
    const nowMs = read()
    return isTime(nowMs) ? Math.trunc(nowMs) : Date.now()
  }

  function read(): unknown {
    try {
      return clock?.()
    } catch {
      return undefined
    }
  }
}
