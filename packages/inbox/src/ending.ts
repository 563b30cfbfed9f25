import { isWebhookError } from '@scrapenest-webhooks/core'
import { leaseEnded, toAttemptError } from './attempt-error.ts'
import type { Ending, ExpiredAttempt } from './event-store.ts'
import type { InboxSettings } from './inbox-options.ts'
import type { Outcome, RunningAttempt } from './running-attempt.ts'

/** What becomes of an event after an attempt: the one place where failures turn into retries and dead letters. */
export function endingOf(
  attempt: RunningAttempt,
  outcome: Outcome,
  times: { readonly startedAtMs: number; readonly settings: InboxSettings },
): Ending {
  const { startedAtMs, settings } = times
  const nowMs = settings.now()
  if (outcome.kind === 'succeeded') {
    const isUnhandled = outcome.result === 'unhandled'
    // An event that nobody handled keeps its body in any case: it waits for a handler.
    return { state: 'done', isUnhandled, keepsPayload: settings.keepPayload || isUnhandled, startedAtMs, nowMs }
  }
  const failure = failureOf(attempt, outcome)
  const error = toAttemptError(failure)
  if (isHopeless(error.code)) return { state: 'dead', startedAtMs, nowMs, error }
  if (error.code === 'receiver_closing') {
    // It was this process that ended: another attempt will be as good as this one would have been.
    return { state: 'ready', dueAtMs: nowMs, isCounted: false, startedAtMs, nowMs, error }
  }
  const failedAttempts = attempt.claimed.attempt
  if (failedAttempts >= settings.maxAttempts) return { state: 'dead', startedAtMs, nowMs, error }
  const delayMs = delayAfter(failure, failedAttempts, settings)
  return { state: 'ready', dueAtMs: nowMs + delayMs, isCounted: true, startedAtMs, nowMs, error }
}

/**
 * What becomes of an event whose lease ended. It waits like any that failed: an event that kills its process took others
 * with it, and they must not all be claimed together again until all of them are dead.
 */
export function endingOfExpired({ attempt, startedAtMs }: ExpiredAttempt, settings: InboxSettings): Ending {
  const nowMs = settings.now()
  const facts = { startedAtMs, nowMs, error: leaseEnded }
  if (attempt >= settings.maxAttempts) return { state: 'dead', ...facts }
  return { state: 'ready', dueAtMs: nowMs + delayAfter(undefined, attempt, settings), isCounted: true, ...facts }
}

/** What the handlers threw; but where they were aborted and said nothing of their own, why they were. */
function failureOf(attempt: RunningAttempt, outcome: Outcome): unknown {
  if (outcome.kind === 'failed') {
    const isOwnWish = isWebhookError(outcome.error) && outcome.error.code !== 'handler_failed'
    if (isOwnWish || attempt.abortReason === undefined) return outcome.error
  }
  return attempt.abortReason
}

function isHopeless(code: string): boolean {
  return code === 'permanent_failure' || code === 'schema_mismatch' || code === 'envelope_invalid'
}

function delayAfter(failure: unknown, failedAttempts: number, { backoff }: InboxSettings): number {
  if (isWebhookError(failure) && failure.code === 'retry_later') return failure.retryAfterSeconds * 1000
  try {
    const delayMs = backoff(failedAttempts)
    if (Number.isFinite(delayMs) && delayMs >= 0) return Math.round(delayMs)
  } catch {}
  // A backoff of the user's that throws or gives no number must neither stop the work nor make the event due over and over.
  return 60_000
}
