import { PermanentError, RetryLaterError, WebhookError } from '@scrapenest-webhooks/core'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it, vi } from 'vitest'
import { type InboxOptions, readInboxOptions } from '../../src/options.ts'
import { checkEnding } from '../../src/times.ts'
import { endingOf, endingOfExpired } from '../../src/worker/ending.ts'
import { type Outcome, RunningAttempt } from '../../src/worker/running-attempt.ts'

const nowMs = 1_700_000_000_000

function attemptOf(attempt: number): RunningAttempt {
  const claimed = { lease: { id: '1', token: 't' }, event: createInboxEvent(), attempt }
  const limits = { handlerTimeoutMs: 1000, graceMs: 1000, leaseMs: 1000 }
  return new RunningAttempt({ claimed, claimedAtMs: performance.now(), processor: async () => 'handled', ...limits })
}

function endingAfter(outcome: Outcome, options: InboxOptions = {}, attempt = 1) {
  const settings = readInboxOptions({ now: () => nowMs, ...options })
  const ending = endingOf(attemptOf(attempt), outcome, { startedAtMs: nowMs, settings, consumer: {} })
  checkEnding(ending)
  return ending
}

const failed = (error: unknown): Outcome => ({ kind: 'failed', error })

describe('an attempt', () => {
  it('that succeeded makes its event done', () => {
    expect(endingAfter({ kind: 'succeeded', result: 'handled' })).toMatchObject({ state: 'done', isUnhandled: false })
  })

  it('without a handler makes its event done and unhandled, and always keeps the body', () => {
    const ending = endingAfter({ kind: 'succeeded', result: 'unhandled' }, { keepPayload: false })
    expect(ending).toMatchObject({ state: 'done', isUnhandled: true, keepsPayload: true })
  })

  it('that failed permanently makes its event dead immediately', () => {
    expect(endingAfter(failed(new PermanentError('no')))).toMatchObject({ state: 'dead' })
  })

  it('that a closing process gives up does not count', () => {
    const error = new WebhookError('receiver_closing')
    expect(endingAfter(failed(error))).toMatchObject({ state: 'ready', isCounted: false, dueAtMs: nowMs })
  })

  it('that was the last makes its event dead, whether it failed or its lease expired', () => {
    expect(endingAfter(failed(new Error('no')), { maxAttempts: 3 }, 3)).toMatchObject({ state: 'dead' })
    const expired = { lease: { id: '1', token: 't' }, event: createInboxEvent(), attempt: 3, startedAtMs: nowMs }
    const settings = readInboxOptions({ maxAttempts: 3, now: () => nowMs })
    expect(endingOfExpired(expired, { settings, consumer: {} })).toMatchObject({
      state: 'dead',
      error: { code: 'lease_ended' },
    })
  })
})

describe('the delay before the next attempt', () => {
  it.each([
    [0, 0],
    [1.4, 1],
    [1e13, 315_360_000_000],
    [1e308, 315_360_000_000],
    [Number.POSITIVE_INFINITY, 315_360_000_000],
    [Number.NaN, 60_000],
    [-1, 60_000],
    ['1', 60_000],
    [null, 60_000],
    [undefined, 60_000],
    [10n, 60_000],
    [{ valueOf: (): number => 5 }, 60_000],
  ])('is for a backoff of %o: %i ms', (delayMs, expected) => {
    const ending = endingAfter(failed(new Error('no')), { backoff: () => delayMs as number })
    expect(ending).toMatchObject({ state: 'ready', dueAtMs: nowMs + expected })
  })

  it('is a minute if the backoff throws', () => {
    const backoff = (): number => {
      throw new Error('broken')
    }
    expect(endingAfter(failed(new Error('no')), { backoff })).toMatchObject({ dueAtMs: nowMs + 60_000 })
  })

  it.each<[string, () => unknown]>([
    ['returned undefined', () => [1000, 5000][2]],
    ["returned '5 s'", () => '5 s'],
    ['returned NaN', () => Number.NaN],
    ['returned a promise', async () => 5000],
    ['returned [Object]', () => ({ delay: 5000 })],
    [
      'threw: broken',
      () => {
        throw new Error('broken')
      },
    ],
  ])('is noted as a mistake if the backoff %s, after a failure and after a lost lease', (problem, backoff) => {
    const settings = readInboxOptions({ backoff: backoff as () => number })
    const note = vi.fn()
    const options = { settings, consumer: { note } }
    endingOf(attemptOf(1), failed(new Error('no')), { startedAtMs: nowMs, ...options })
    endingOfExpired({ ...attemptOf(1).claimed, startedAtMs: nowMs }, options)
    const text = `The option backoff must return milliseconds, 0 or more, but ${problem}. Such retries wait for a minute.`
    expect(note.mock.calls).toEqual([[text], [text]])
  })

  it.each([1, 1e9, Number.NaN, -5, 1e308])('follows a RetryLaterError with %d seconds', (retryAfterSeconds) => {
    const ending = endingAfter(failed(new RetryLaterError('busy', { retryAfterSeconds })))
    expect(ending).toMatchObject({ state: 'ready' })
  })

  it('is the backoff for an error that only claims the code retry_later', () => {
    const error = Object.assign(new Error('x'), { library: 'scrapenest-webhooks', code: 'retry_later' })
    expect(endingAfter(failed(error), { backoff: () => 7 })).toMatchObject({ dueAtMs: nowMs + 7 })
  })
})
