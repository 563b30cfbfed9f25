import { type InboxEvent, isWebhookError } from '@scrapenest-webhooks/core'
import { type Ending, type InboxSettings, type Lease, leaseEnded } from '@scrapenest-webhooks/inbox/kit'
import type { Db } from 'pg-boss'
import { type Boss, longestDelayMs, mostRetries, supervisorRetryDelaySeconds } from './boss.ts'
import type { JobOutput } from './jobs/job-data.ts'
import { attemptOf, type HeldClaims, nameOf } from './jobs/leases.ts'
import { isDataRefusal } from './postgres-faults.ts'

export interface EndingsOptions {
  readonly held: HeldClaims
  readonly settings: InboxSettings
}

/** Ends attempts with pg-boss's `complete` and `fail`, or inside the application's transaction. */
export class Endings {
  readonly #boss: Boss
  readonly #held: HeldClaims
  readonly #settings: InboxSettings

  constructor(boss: Boss, { held, settings }: EndingsOptions) {
    this.#boss = boss
    this.#held = held
    this.#settings = settings
  }

  async end(lease: Lease, ending: Ending): Promise<boolean> {
    const isEnded = await this.#record(lease, ending).catch(async (error) => {
      if (ending.error === undefined || !isWebhookError(error) || !isDataRefusal(error.cause)) throw error
      // The same text would be refused again, and the event would stay running until its lease expires.
      const { code } = ending.error
      const fixed = { code, name: 'Error', message: 'PostgreSQL cannot store the text of this error.' }
      return await this.#record(lease, { ...ending, error: fixed })
    })
    this.#held.release(lease)
    return isEnded
  }

  /** Completes an attempt of this process inside the application's transaction. @returns false if its lease is lost. */
  async completeIn(db: Db, event: InboxEvent): Promise<boolean> {
    const claim = this.#held.ofEvent(event)
    if (claim === undefined) return false
    const { keepPayload, now } = this.#settings
    const nowMs = now()
    claim.isCompleting = true
    const ending = { state: 'done', isUnhandled: false, keepsPayload: keepPayload, startedAtMs: nowMs, nowMs } as const
    try {
      claim.isCompleting = await this.#complete(claim.lease, ending, this.#boss.foreign(db))
    } catch (error) {
      claim.isCompleting = false
      throw error
    }
    return claim.isCompleting
  }

  /**
   * Whether an attempt is still running even though it was completed in a transaction, because that transaction was rolled
   * back or is still open.
   */
  async isStillRunning(event: InboxEvent): Promise<boolean> {
    const claim = this.#held.ofEvent(event)
    if (claim === undefined || !claim.isCompleting) return false
    claim.isCompleting = false
    const { id, retryCount } = attemptOf(claim.lease)
    const rows = await this.#boss.sql(
      `SELECT 1 FROM ${this.#boss.schema}.job WHERE name = $1 AND id = $2 AND state = 'active' AND retry_count = $3`,
      [this.#boss.queueOf(nameOf(claim.lease)), id, retryCount],
    )
    return rows.length > 0
  }

  async #record(lease: Lease, ending: Ending): Promise<boolean> {
    return ending.state === 'done' ? await this.#complete(lease, ending) : await this.#fail(lease, ending)
  }

  async #complete(lease: Lease, ending: Ending & { readonly state: 'done' }, foreign?: Db): Promise<boolean> {
    const output = this.#output(lease, ending)
    if (!ending.keepsPayload) return await this.#completeWithoutPayload(lease, output, foreign)
    return await this.#boss.call(nameOf(lease), async ({ boss, queue, db }) => {
      const options = foreign === undefined ? db : { db: foreign }
      const { affected } = (await boss.complete(queue, attemptOf(lease), output, options)) as { affected: number }
      return affected > 0
    })
  }

  /**
   * Completes the attempt and drops the payload in one statement, so a lost connection leaves nothing half done or locked.
   */
  async #completeWithoutPayload(lease: Lease, output: JobOutput, db: Db | undefined): Promise<boolean> {
    const { id, retryCount } = attemptOf(lease)
    const rows = await this.#boss.sql(
      `UPDATE ${this.#boss.schema}.job
       SET state = 'completed', completed_on = now(), output = $4::jsonb,
         data = data - '{body,bodyBase64,signedHeaders}'::text[]
       WHERE name = $1 AND id = $2 AND state = 'active' AND retry_count = $3 RETURNING id`,
      [this.#boss.queueOf(nameOf(lease)), id, retryCount, JSON.stringify(output)],
      { db },
    )
    return rows.length > 0
  }

  async #fail(lease: Lease, ending: Ending & { readonly state: 'ready' | 'dead' }): Promise<boolean> {
    const attempt = attemptOf(lease)
    const { id, retryCount } = attempt
    const isCounted = ending.state === 'dead' || ending.isCounted
    const delayMs = delayOf(ending)
    const retryLimit = ending.state === 'dead' ? retryCount : mostRetries
    return await this.#boss.call(nameOf(lease), async ({ boss, queue, db }) => {
      // Tells `fail`, through the job's row, what to do. If this process dies in between, the heartbeat expires and pg-boss
      // does the same. Without `started_on`, the next claim does not count another attempt.
      await this.#boss.sql(
        `UPDATE ${this.#boss.schema}.job
         SET retry_limit = $4, retry_delay = $5, retry_backoff = false,
           deletion_seconds = CASE WHEN $4 = retry_count THEN 0 ELSE deletion_seconds END
           ${isCounted ? '' : ', started_on = NULL'}
         WHERE name = $1 AND id = $2 AND state = 'active' AND retry_count = $3`,
        // One second or more, so no worker can claim the event before `#delay` has set its exact delay.
        [queue, id, retryCount, retryLimit, Math.max(1, Math.ceil(delayMs / 1000))],
      )
      const { affected } = (await boss.fail(queue, attempt, this.#output(lease, ending), db)) as { affected: number }
      if (affected > 0 && ending.state === 'ready') await this.#delay(lease, delayMs)
      return affected > 0
    })
  }

  /**
   * Sets the exact delay, because pg-boss delays by whole seconds. Events that died together with their process would be
   * retried within the same second and die together again. Also restores pg-boss's jittered delay, which applies when the
   * next lease expires.
   */
  async #delay(lease: Lease, delayMs: number): Promise<void> {
    const { id, retryCount } = attemptOf(lease)
    try {
      await this.#boss.sql(
        `UPDATE ${this.#boss.schema}.job
         SET start_after = now() + LEAST($4::double precision, ${longestDelayMs}) * interval '1 millisecond',
           retry_delay = $5, retry_backoff = true
         WHERE name = $1 AND id = $2 AND state = 'retry' AND retry_count = $3`,
        [this.#boss.queueOf(nameOf(lease)), id, retryCount, delayMs, supervisorRetryDelaySeconds],
      )
    } catch {
      // The attempt has ended anyway, and the event is due at the next whole second.
    }
  }

  #output(lease: Lease, ending: Ending): JobOutput {
    const { startedAtMs, nowMs, error, state } = ending
    const facts = {
      attempt: attemptOf(lease).retryCount + 1,
      replay: this.#held.of(lease)?.replays ?? 0,
      startedAt: startedAtMs,
      durationMs: Math.max(0, nowMs - startedAtMs),
    }
    if (state === 'done') return { ...facts, isUnhandled: ending.isUnhandled }
    const recorded = error ?? leaseEnded
    return { ...facts, message: `${recorded.code}: ${recorded.message}`, error: recorded }
  }
}

/** Milliseconds until the next attempt, limited to what PostgreSQL can store. */
export function delayOf(ending: Ending): number {
  if (ending.state !== 'ready') return 0
  const delayMs = Math.round(ending.dueAtMs - ending.nowMs)
  // Invalid times must not make the event due immediately.
  return Number.isNaN(delayMs) ? 60_000 : Math.max(0, Math.min(longestDelayMs, delayMs))
}
