import { WebhookError } from '@scrapenest-webhooks/core'
import { Deadline } from '@scrapenest-webhooks/core/adapter'
import type { RunningAttempt } from './running-attempt.ts'

/** Maximum length of each of the last two parts, in milliseconds. */
const longestPartMs = 500

/** Minimum length of the budget, in milliseconds. Even `graceMs: 0` releases events, which requires a write to the store. */
const shortestRecordingMs = 100

/**
 * The time that closing may take, in three parts:
 * 1. Waits for running handlers. Left when all have settled, or when only the time for the other parts remains.
 * 2. Aborts the handlers. The result of a handler that settles now still counts.
 * 3. Gives up on the handlers and releases their events. When this part ends, `close` resolves, and closing continues in the
 *    background until the store has answered.
 */
export class CloseBudget {
  readonly #abort: Deadline
  readonly #giveUp: Deadline
  readonly #end: Deadline

  /** @param graceMs the total, in milliseconds. `Infinity` waits until every handler has settled. */
  constructor(graceMs: number) {
    const { abortMs, giveUpMs, endMs } = partsOf(graceMs)
    this.#abort = new Deadline(abortMs)
    this.#giveUp = new Deadline(giveUpMs)
    this.#end = new Deadline(endMs)
  }

  /** Ends the budget `graceMs` from now, unless it already ends sooner. */
  shorten(graceMs: number): void {
    const { abortMs, giveUpMs, endMs } = partsOf(graceMs)
    this.#abort.shorten(abortMs)
    this.#giveUp.shorten(giveUpMs)
    this.#end.shorten(endMs)
  }

  /**
   * Waits for running attempts, aborts the rest, gives up on those that remain, and resolves once all promises have settled.
   */
  async endAttempts(running: ReadonlyMap<RunningAttempt, Promise<unknown>>): Promise<void> {
    await this.#abort.waitFor(Promise.allSettled(running.values()))
    for (const attempt of running.keys()) attempt.abort(new WebhookError('receiver_closing'))
    await this.#giveUp.waitFor(Promise.allSettled(running.values()))
    for (const attempt of running.keys()) attempt.giveUp()
    await Promise.allSettled(running.values())
  }

  /** Resolves when the work settles or the budget ends, whichever comes first. Never rejects. */
  async waitFor(work: Promise<unknown>): Promise<void> {
    await this.#end.waitFor(work)
  }

  /** Clears the timers, which would keep the process alive, and stops waiting for handlers. */
  stop(): void {
    this.#abort.shorten(0)
    this.#giveUp.shorten(0)
    this.#end.cancel()
  }
}

function partsOf(graceMs: number): { readonly abortMs: number; readonly giveUpMs: number; readonly endMs: number } {
  const partMs = Math.min(longestPartMs, graceMs / 4)
  return {
    abortMs: graceMs - 2 * partMs,
    giveUpMs: graceMs - partMs,
    endMs: Math.max(graceMs, shortestRecordingMs),
  }
}
