import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkHooks, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { type Backoff, jitteredBackoff } from './backoff.ts'
import { isTime, longestKeepMs } from './times.ts'

/** How events are processed and retained. The same for every engine. */
export interface InboxOptions {
  /**
   * Maximum number of events that this process handles concurrently, per receiver.
   * @default 10
   */
  readonly concurrency?: number | undefined
  /**
   * Maximum attempts, including those lost to a crash.
   * @default 8: with the default backoff the last attempt is up to 8 hours after the first
   */
  readonly maxAttempts?: number | undefined
  /**
   * Returns the delay before the next attempt, in milliseconds, given the number of failed attempts. The delay of a
   * `RetryLaterError` takes precedence. If it throws, or returns anything but a number of 0 or more, that is logged and the
   * delay is a minute.
   * @default jitteredBackoff(): exponential with full jitter, a random delay of up to 5 s, 30 s, … 5 h
   */
  readonly backoff?: Backoff | undefined
  /**
   * Time limit for an event's handlers, in milliseconds. When it is reached, their `signal` is aborted. The attempt fails
   * unless they still succeed within `graceMs`.
   * @default 60000
   */
  readonly handlerTimeoutMs?: number | undefined
  /**
   * How long a handler keeps its slot past its time limit, in milliseconds. After that, the attempt fails, whatever the
   * handler does.
   * @default 10000
   */
  readonly graceMs?: number | undefined
  /**
   * How long a lease lasts without renewal, in milliseconds. It is renewed while handlers run.
   * @default 60000: after a crash, events in progress are retried within about a minute
   */
  readonly leaseMs?: number | undefined
  /**
   * How often to look for events stored by other processes, in milliseconds. Events stored by this process start
   * immediately.
   * @default 1000
   */
  readonly pollIntervalMs?: number | undefined
  /**
   * Whether to keep the body and signed headers of done events. `false` saves space and keeps personal data no longer than
   * needed, but done events can no longer be replayed.
   * @default true
   */
  readonly keepPayload?: boolean | undefined
  /**
   * How long to keep done events, in milliseconds. Dead events are kept until `purge`. A duplicate of a deleted event is
   * handled again, so keep events for longer than ScrapeNest retries (3 days).
   * @default 604800000 (7 days)
   */
  readonly keepDoneMs?: number | undefined
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined
  /** Random numbers from 0 to 1 (excluding 1) for the default backoff's jitter. @default Math.random */
  readonly random?: (() => number) | undefined
}

/** The options, validated and with defaults applied. */
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
  /** Whether `now` is the system clock, which an operator or NTP may set. */
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

/** The longest delay that Node's timers support. */
const maxTimeoutMs = 2_147_483_647

/** @throws {ConfigurationError} `configuration_invalid`: an option is malformed or unknown. */
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
 * Makes a clock return only whole milliseconds that a `Date` can hold, because no other number may reach a store. Falls back
 * to the system clock while a custom clock returns anything else.
 *
 * @throws {ConfigurationError} `configuration_invalid`: the first reading is not a valid time.
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
