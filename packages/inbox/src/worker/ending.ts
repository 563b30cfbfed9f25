import { inspect } from 'node:util'
import { isPromise } from 'node:util/types'
import type { InboxConsumer } from '@scrapenest-webhooks/core'
import { codeOf, messageOf, retryAfterSecondsOf } from '@scrapenest-webhooks/core/adapter'
import type { Ending, ExpiredAttempt } from '../event-store.ts'
import type { InboxSettings } from '../options.ts'
import { eventUnreadable, leaseEnded, toAttemptError } from './attempt-error.ts'
import { maskUrls } from './mask-urls.ts'
import type { Outcome, RunningAttempt } from './running-attempt.ts'

/** Failures that would recur on every attempt. */
const permanentFailures: ReadonlySet<string> = new Set(['permanent_failure', 'schema_mismatch', 'envelope_invalid'])

/** Ten years, in milliseconds. Longer delays are a mistake, and some engines cannot store them. */
const longestDelayMs = 315_360_000_000

/** Who ends an attempt, and how events are retried. */
export interface EndingOptions {
  readonly settings: InboxSettings
  /** Its `note` reports what is wrong with the option `backoff`. */
  readonly consumer: Pick<InboxConsumer, 'note'>
}

/**
 * Decides the next state of an event after an attempt in this process. `EventStore.end` records it. The first match wins:
 * 1. The event is unreadable: `dead`. Another attempt would read the same bytes.
 * 2. The handlers succeeded, or there were none: `done`.
 * 3. The failure is permanent: `dead`.
 * 4. This process is closing: `ready` immediately, and the attempt does not count.
 * 5. It was the last attempt: `dead`.
 * 6. Otherwise: `ready` after the `retryAfterSeconds` of a `RetryLaterError`, or after the backoff.
 */
export function endingOf(
  attempt: RunningAttempt,
  outcome: Outcome,
  { startedAtMs, ...options }: EndingOptions & { readonly startedAtMs: number },
): Ending {
  const { settings } = options
  const nowMs = settings.now()
  if (outcome.kind === 'unreadable') {
    return { state: 'dead', startedAtMs, nowMs, error: eventUnreadable(outcome.cause) }
  }
  if (outcome.kind === 'succeeded') {
    const isUnhandled = outcome.result === 'unhandled'
    // An unhandled event always keeps its body, so it can be replayed once there is a handler.
    return { state: 'done', isUnhandled, keepsPayload: settings.keepPayload || isUnhandled, startedAtMs, nowMs }
  }
  const failure = failureOf(attempt, outcome)
  const error = maskUrls(toAttemptError(failure), attempt.claimed.event)
  if (permanentFailures.has(error.code)) return { state: 'dead', startedAtMs, nowMs, error }
  if (error.code === 'receiver_closing') {
    return { state: 'ready', dueAtMs: nowMs, isCounted: false, startedAtMs, nowMs, error }
  }
  const failedAttempts = attempt.claimed.attempt
  if (failedAttempts >= settings.maxAttempts) return { state: 'dead', startedAtMs, nowMs, error }
  const delayMs = delayAfter(failure, failedAttempts, options)
  return { state: 'ready', dueAtMs: nowMs + delayMs, isCounted: true, startedAtMs, nowMs, error }
}

/**
 * Decides the next state of an event whose lease expired: `dead` after the last attempt, otherwise `ready` after the
 * backoff. An event that kills its process takes others down with it. The backoff separates them; otherwise they would be
 * claimed together each time, and all of them would end up dead.
 */
export function endingOfExpired({ attempt, startedAtMs }: ExpiredAttempt, options: EndingOptions): Ending {
  const { settings } = options
  const nowMs = settings.now()
  const facts = { startedAtMs, nowMs, error: leaseEnded }
  if (attempt >= settings.maxAttempts) return { state: 'dead', ...facts }
  return { state: 'ready', dueAtMs: nowMs + delayAfter(undefined, attempt, options), isCounted: true, ...facts }
}

/** What the handlers threw. If they were aborted and threw an error without one of our codes, the reason for the abort. */
function failureOf({ abortReason }: RunningAttempt, outcome: Outcome): unknown {
  if (outcome.kind !== 'failed') return abortReason
  const hasOwnCode = (codeOf(outcome.error) ?? 'handler_failed') !== 'handler_failed'
  return hasOwnCode || abortReason === undefined ? outcome.error : abortReason
}

function delayAfter(failure: unknown, failedAttempts: number, { settings, consumer }: EndingOptions): number {
  if (codeOf(failure) === 'retry_later') return Math.min(longestDelayMs, retryAfterSecondsOf(failure) * 1000)
  let problem: string
  try {
    const delayMs: unknown = settings.backoff(failedAttempts)
    if (typeof delayMs === 'number' && delayMs >= 0) return Math.round(Math.min(longestDelayMs, delayMs))
    problem = `returned ${isPromise(delayMs) ? 'a promise' : inspect(delayMs, { depth: -1 })}`
  } catch (error) {
    problem = `threw: ${messageOf(error)}`
  }
  // Must neither stop the work nor cause an immediate retry.
  consumer.note?.(
    `The option backoff must return milliseconds, 0 or more, but ${problem}. Such retries wait for a minute.`,
  )
  return 60_000
}
