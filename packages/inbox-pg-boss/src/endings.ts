import type { InboxEvent } from '@scrapenest-webhooks/core'
import { type Ending, type InboxSettings, type Lease, leaseEnded } from '@scrapenest-webhooks/inbox/kit'
import type { Db } from 'pg-boss'
import { type Boss, watchRetryDelaySeconds } from './boss.ts'
import type { JobOutput } from './jobs/job-data.ts'
import { attemptOf, type HeldClaims, nameOf } from './jobs/leases.ts'

export interface EndingsOptions {
  readonly held: HeldClaims
  readonly settings: InboxSettings
}

/** How attempts end: by pg-boss's `complete` and `fail`, also inside a transaction of the user's. */
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
    const isEnded = ending.state === 'done' ? await this.#complete(lease, ending) : await this.#fail(lease, ending)
    this.#held.release(lease)
    return isEnded
  }

  /** Completes an attempt of this process inside a transaction of the user's. @returns false if its lease is lost. */
  async completeIn(db: Db, event: InboxEvent): Promise<boolean> {
    const claim = this.#held.ofEvent(event)
    if (claim === undefined) return false
    const { keepPayload, now } = this.#settings
    const nowMs = now()
    claim.isCompleting = true
    const ending = { state: 'done', isUnhandled: false, keepsPayload: keepPayload, startedAtMs: nowMs, nowMs } as const
    const isCompleted = await this.#complete(claim.lease, ending, db)
    claim.isCompleting = isCompleted
    return isCompleted
  }

  /**
   * Whether an attempt is still running although its completion went into a transaction: that was rolled back, or is still
   * open.
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

  async #complete(lease: Lease, ending: Ending & { readonly state: 'done' }, db?: Db): Promise<boolean> {
    return await this.#boss.call(nameOf(lease), async (boss, queue) => {
      const complete = async (through: Db | undefined): Promise<boolean> => {
        const options = through && { db: through }
        const { affected } = (await boss.complete(queue, attemptOf(lease), this.#output(lease, ending), options)) as {
          affected: number
        }
        if (affected === 0 || ending.keepsPayload) return affected > 0
        await this.#boss.sql(
          `UPDATE ${this.#boss.schema}.job SET data = data - '{body,bodyBase64,signedHeaders}'::text[]
           WHERE name = $1 AND id = $2 AND state = 'completed'`,
          [queue, attemptOf(lease).id],
          through,
        )
        return true
      }
      const begin = boss.getDb().beginTransaction
      if (db !== undefined || ending.keepsPayload || begin === undefined) return await complete(db)
      const transaction = await begin.call(boss.getDb())
      try {
        const isCompleted = await complete(transaction.db)
        await transaction.commit()
        return isCompleted
      } catch (error) {
        await transaction.rollback()
        throw error
      }
    })
  }

  async #fail(lease: Lease, ending: Ending & { readonly state: 'ready' | 'dead' }): Promise<boolean> {
    const attempt = attemptOf(lease)
    const { id, retryCount } = attempt
    const isCounted = ending.state === 'dead' || ending.isCounted
    const delayMs = delayOf(ending)
    const retryLimit = ending.state === 'dead' ? retryCount : Math.max(this.#settings.maxAttempts - 1, retryCount + 1)
    return await this.#boss.call(nameOf(lease), async (boss, queue) => {
      // What `fail` does next is written into the job itself. If this process dies in between, the heartbeat ends and
      // pg-boss does the same; without `started_on` the next claim counts no further attempt.
      await this.#boss.sql(
        `UPDATE ${this.#boss.schema}.job
         SET retry_limit = $4, retry_delay = $5, retry_backoff = false,
           deletion_seconds = CASE WHEN $4 = retry_count THEN 0 ELSE deletion_seconds END
           ${isCounted ? '' : ', started_on = NULL'}
         WHERE name = $1 AND id = $2 AND state = 'active' AND retry_count = $3`,
        // At least a second: until its own delay is set, no worker can claim it.
        [queue, id, retryCount, retryLimit, Math.max(1, Math.ceil(delayMs / 1000))],
      )
      const { affected } = (await boss.fail(queue, attempt, this.#output(lease, ending))) as { affected: number }
      if (affected > 0 && ending.state === 'ready') await this.#delay(lease, delayMs)
      return affected > 0
    })
  }

  /**
   * pg-boss delays by whole seconds: events that died together with their process would come back together, within the same
   * second, and die together. And pg-boss's own delay, used when the next lease ends, gets its jitter back.
   */
  async #delay(lease: Lease, delayMs: number): Promise<void> {
    const { id, retryCount } = attemptOf(lease)
    try {
      await this.#boss.sql(
        `UPDATE ${this.#boss.schema}.job
         SET start_after = now() + $4 * interval '1 millisecond', retry_delay = $5, retry_backoff = true
         WHERE name = $1 AND id = $2 AND state = 'retry' AND retry_count = $3`,
        [this.#boss.queueOf(nameOf(lease)), id, retryCount, delayMs, watchRetryDelaySeconds],
      )
    } catch {
      // The attempt has ended all the same, and the event is due at the whole second.
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

/** Milliseconds until the next attempt. */
export function delayOf(ending: Ending): number {
  return ending.state === 'ready' ? Math.max(0, ending.dueAtMs - ending.nowMs) : 0
}
