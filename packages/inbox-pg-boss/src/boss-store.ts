import type { InboxEvent } from '@scrapenest-webhooks/core'
import type {
  InboxCapabilities,
  InboxFilter,
  InboxPage,
  InboxRecord,
  InboxStats,
  ReplayResult,
} from '@scrapenest-webhooks/inbox'
import {
  type Claim,
  type ClaimRequest,
  type Ending,
  type EventIdentity,
  type EventStore,
  type ExpiredAttempt,
  type InboxSettings,
  type Lease,
  toEventJson,
} from '@scrapenest-webhooks/inbox/kit'
import type { Db, Job } from 'pg-boss'
import {
  type Boss,
  type BossCall,
  changeTimeoutMs,
  deliveryTimeoutMs,
  mostRetries,
  scanTimeoutMs,
  supervisorRetryDelaySeconds,
} from './boss.ts'
import { delayOf, Endings } from './endings.ts'
import { jobIdOf } from './jobs/job-data.ts'
import {
  cursorForm,
  cursorOf,
  type JobRow,
  readEvent,
  rowColumns,
  selection,
  timeOf,
  toRecord,
  toSummary,
} from './jobs/job-rows.ts'
import { attemptOf, HeldClaims, leaseOf, nameOf } from './jobs/leases.ts'

/** How many due times are remembered. The regular poll finds other due events. */
const rememberedDueTimes = 1000

/** How often to look for attempts that pg-boss itself ended, in milliseconds. It delays their retry by at least 30 s. */
const resumeIntervalMs = 10_000

/** Matches attempts that pg-boss itself ended because of a missed heartbeat or an exceeded time limit. */
const endedByWatch = "output->'value'->>'message' IN ('job heartbeat timeout', 'job timed out')"

/** Added to due times, in milliseconds, because PostgreSQL's clock may be that far behind ours. */
const clockSlackMs = 5

/** A job as pg-boss's `fetch` returns it. */
interface Fetched {
  readonly id: string
  readonly retryCount: number
  readonly data: unknown
}

/** How many events one statement deletes. */
const purgeStepSize = 5000

/** pg-boss's copies of dead events, in the dead letter queues of the queues in the first value. */
const isDeadLetter = "name IN (SELECT unnest($1::text[]) || '/dead')"

/**
 * Events in pg-boss's job table. A claim is `fetch`, fenced by the retry count. The lease is pg-boss's heartbeat, renewed
 * with `touch`. An attempt ends with `complete` or `fail`. Everything else is SQL on the same table.
 */
export class BossStore implements EventStore {
  readonly capabilities: InboxCapabilities = {
    isDurable: true,
    isShared: true,
    attempts: 'last',
    listOrder: 'stored',
    canTakeClock: false,
  }
  readonly cursorForm: RegExp = cursorForm
  readonly #boss: Boss
  readonly #settings: InboxSettings
  readonly #held = new HeldClaims()
  readonly #endings: Endings
  /** When events are due again after an attempt in this process. */
  #due: { readonly name: string; readonly dueAtMs: number }[] = []
  /** When to look again for attempts that pg-boss itself ended, by name and by `performance.now()`. */
  readonly #resumeAtMs = new Map<string, number>()

  constructor(boss: Boss, settings: InboxSettings) {
    this.#boss = boss
    this.#settings = settings
    this.#endings = new Endings(boss, { held: this.#held, settings })
  }

  async open(name: string): Promise<void> {
    // Creates the queue, so the first delivery need not wait for it.
    await this.#boss.call(name, async () => {})
  }

  async close(): Promise<void> {
    this.#held.clear()
    await this.#boss.close()
  }

  async check(name: string): Promise<void> {
    await this.#boss.tryInsert(name)
  }

  async put(event: InboxEvent): Promise<'stored' | 'duplicate'> {
    const { name } = event
    const options = { ...this.#boss.sendOptions(name), id: jobIdOf(event) }
    const send = async ({ boss, queue, db }: BossCall): Promise<'stored' | 'duplicate'> => {
      const id = await boss.send(queue, toEventJson(event), { ...options, ...db })
      if (id !== null) return 'stored'
      await this.#expectJob(queue, options.id)
      return 'duplicate'
    }
    return await this.#boss.call(name, send, deliveryTimeoutMs)
  }

  async claim({ name, limit, nowMs }: ClaimRequest): Promise<Claim> {
    const jobs = await this.#fetch(name, limit)
    const claimed = jobs.map(({ id, retryCount, data }) => {
      const lease = leaseOf(name, { id, retryCount })
      const { replays, ...read } = readEvent({ id, name, data })
      this.#held.add({ lease, event: read.event, replays, isCompleting: false })
      return { lease, attempt: retryCount + 1, ...read }
    })
    this.#due = this.#due.filter(({ dueAtMs }) => dueAtMs > nowMs)
    const dueOfName = this.#due.filter((due) => due.name === name).map(({ dueAtMs }) => dueAtMs)
    return { claimed, nextDueAtMs: dueOfName.length > 0 ? Math.min(...dueOfName) : undefined }
  }

  /** pg-boss itself looks for expired leases only once a minute, does not know the backoff, and reports no dead events. */
  async expired(name: string): Promise<readonly ExpiredAttempt[]> {
    await this.#resumeEnded(name)
    const rows = await this.#boss.call(name, async ({ queue }) =>
      this.#boss.sql<JobRow>(
        `SELECT ${rowColumns} FROM ${this.#boss.schema}.job
         WHERE name = $1 AND state = 'active' AND heartbeat_on + heartbeat_seconds * interval '1s' < now() LIMIT 100`,
        [queue],
      ),
    )
    return rows.map(({ id, retry_count: retryCount, data, started_on: startedOn }) => ({
      lease: leaseOf(name, { id, retryCount: Number(retryCount) }),
      event: readEvent({ id, name, data }).event,
      attempt: Number(retryCount) + 1,
      startedAtMs: (timeOf(startedOn) ?? new Date()).getTime(),
    }))
  }

  /**
   * Reopens attempts that pg-boss itself ended, as running with an expired lease, so they end like all others. Otherwise,
   * pg-boss would delay the retry by 30 s to a minute, doubled after each attempt: by days after ten attempts.
   */
  async #resumeEnded(name: string): Promise<void> {
    if (performance.now() < (this.#resumeAtMs.get(name) ?? 0)) return
    await this.#boss.call(name, async ({ queue }) =>
      this.#boss.sql(
        `UPDATE ${this.#boss.schema}.job SET state = 'active', heartbeat_on = timestamptz 'epoch'
         WHERE name = $1 AND state = 'retry' AND ${endedByWatch}`,
        [queue],
      ),
    )
    this.#resumeAtMs.set(name, performance.now() + resumeIntervalMs)
  }

  async renew(leases: readonly Lease[]): Promise<ReadonlySet<string>> {
    const renewed = new Set<string>()
    const leasesByName = new Map<string, Lease[]>()
    for (const lease of leases) {
      // The handler's transaction locks the row, so no other worker can claim it.
      if (this.#held.of(lease)?.isCompleting === true) renewed.add(lease.id)
      else leasesByName.set(nameOf(lease), [...(leasesByName.get(nameOf(lease)) ?? []), lease])
    }
    for (const [name, ofName] of leasesByName) {
      const { settled = [] } = (await this.#boss.call(name, ({ boss, queue, db }) =>
        boss.touch(queue, ofName.map(attemptOf), db),
      )) as { settled?: readonly string[] }
      const touched = new Set(settled)
      for (const lease of ofName) if (touched.has(attemptOf(lease).id)) renewed.add(lease.id)
    }
    return renewed
  }

  async end(lease: Lease, ending: Ending): Promise<boolean> {
    const isEnded = await this.#endings.end(lease, ending)
    if (isEnded && ending.state === 'ready') this.#rememberDue(nameOf(lease), delayOf(ending))
    return isEnded
  }

  /** Completes an attempt of this process inside the application's transaction. @returns false if its lease is lost. */
  async completeIn(db: Db, event: InboxEvent): Promise<boolean> {
    return await this.#endings.completeIn(db, event)
  }

  /** See `Endings.isStillRunning`. */
  async isStillRunning(event: InboxEvent): Promise<boolean> {
    return await this.#endings.isStillRunning(event)
  }

  async list(
    filter: InboxFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<InboxPage> {
    const { where, values } = selection(filter, await this.#boss.queuesOf(filter.name))
    const [createdUs, id] = cursor?.split('_') ?? []
    const next = values.length + 1
    const after = `(created_on, id) < (timestamptz 'epoch' + $${next}::bigint * interval '1 microsecond', $${next + 1}::uuid)`
    const rows = await this.#boss.sql<JobRow>(
      `SELECT ${rowColumns} FROM ${this.#boss.schema}.job WHERE ${where}${cursor === undefined ? '' : ` AND ${after}`}
       ORDER BY created_on DESC, id DESC LIMIT ${limit + 1}`,
      cursor === undefined ? values : [...values, createdUs, id],
      { limitMs: scanTimeoutMs },
    )
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return { events: page.map(toSummary), ...(rows.length > limit && last ? { nextCursor: cursorOf(last) } : {}) }
  }

  async get(identity: EventIdentity): Promise<InboxRecord | undefined> {
    const [row] = await this.#boss.sql<JobRow>(
      `SELECT ${rowColumns} FROM ${this.#boss.schema}.job WHERE name = $1 AND id = $2`,
      [this.#boss.queueOf(identity.name), jobIdOf(identity)],
    )
    return row === undefined ? undefined : toRecord(row)
  }

  async stats(name: string | undefined): Promise<InboxStats> {
    const [counts] = await this.#boss.sql<
      Record<keyof Omit<InboxStats, 'oldestReadyAt'>, unknown> & { oldest: string | null }
    >(
      `SELECT count(*) FILTER (WHERE state < 'active') AS ready,
              count(*) FILTER (WHERE state = 'active') AS running,
              count(*) FILTER (WHERE state = 'completed') AS done,
              count(*) FILTER (WHERE state > 'completed') AS dead,
              count(*) FILTER (WHERE state = 'completed' AND output->'isUnhandled' = 'true'::jsonb) AS unhandled,
              (extract(epoch FROM min(start_after) FILTER (WHERE state < 'active' AND start_after <= now())) * 1000)::text
                AS oldest
       FROM ${this.#boss.schema}.job WHERE name = ANY($1)`,
      [await this.#boss.queuesOf(name)],
      { limitMs: scanTimeoutMs },
    )
    const { oldest, ready, running, done, dead, unhandled } = counts ?? { oldest: null }
    const oldestReadyAt = timeOf(oldest)
    return {
      ready: Number(ready ?? 0),
      running: Number(running ?? 0),
      done: Number(done ?? 0),
      dead: Number(dead ?? 0),
      unhandled: Number(unhandled ?? 0),
      ...(oldestReadyAt === undefined ? {} : { oldestReadyAt }),
    }
  }

  /** Reuses the jobs of the events and deletes the copies of dead events. Events that wait for a retry become due now. */
  async replay(filter: InboxFilter): Promise<ReplayResult> {
    const { schema, deleteAfterSeconds } = this.#boss
    const { where, values } = selection(filter, await this.#boss.queuesOf(filter.name))
    const final = `${where} AND state >= 'completed'`
    const [counted] = await this.#boss.sql<{ replayed: string; without: string }>(
      `WITH without AS (SELECT id FROM ${schema}.job WHERE ${final} AND NOT data ? 'signedHeaders'),
       replayed AS (
         UPDATE ${schema}.job
         SET state = 'created', retry_count = 0, retry_limit = ${mostRetries}, started_on = NULL,
           completed_on = NULL, heartbeat_on = NULL, start_after = now(), deletion_seconds = ${deleteAfterSeconds},
           keep_until = now() + (keep_until - created_on), retry_delay = ${supervisorRetryDelaySeconds}, retry_backoff = true,
           data = data || jsonb_build_object('replays', CASE WHEN jsonb_typeof(data->'replays') = 'number'
             THEN LEAST((data->>'replays')::numeric, 1000000000) + 1 ELSE 1 END)
         WHERE ${final} AND data ? 'signedHeaders'
         RETURNING id
       ),
       made_due AS (
         UPDATE ${schema}.job SET start_after = now()
         WHERE ${where} AND state < 'active' AND start_after > now() RETURNING id
       ),
       letters AS (DELETE FROM ${schema}.job WHERE ${isDeadLetter} AND source_id IN (SELECT id FROM replayed))
       SELECT (SELECT count(*) FROM replayed) + (SELECT count(*) FROM made_due) AS replayed, (SELECT count(*) FROM without) AS without`,
      values,
      { limitMs: changeTimeoutMs },
    )
    return { replayed: Number(counted?.replayed), withoutPayload: Number(counted?.without) }
  }

  /** Also deletes the copies of dead events. */
  async purge(filter: InboxFilter, { signal }: { readonly signal?: AbortSignal } = {}): Promise<number> {
    let purged = 0
    let step: number
    do {
      step = await this.#purgeStep(filter)
      purged += step
    } while (step === purgeStepSize && signal?.aborted !== true)
    return purged
  }

  async #purgeStep(filter: InboxFilter): Promise<number> {
    const { schema } = this.#boss
    const { where, values } = selection(filter, await this.#boss.queuesOf(filter.name))
    const [counted] = await this.#boss.sql<{ purged: unknown }>(
      `WITH chosen AS (SELECT name, id FROM ${schema}.job WHERE ${where} AND state >= 'completed' LIMIT ${purgeStepSize}),
       purged AS (DELETE FROM ${schema}.job WHERE (name, id) IN (SELECT name, id FROM chosen) RETURNING id),
       letters AS (DELETE FROM ${schema}.job WHERE ${isDeadLetter} AND source_id IN (SELECT id FROM purged))
       SELECT count(*) AS purged FROM purged`,
      values,
      { limitMs: changeTimeoutMs },
    )
    return Number(counted?.purged)
  }

  /**
   * Rejects if there is no such job. If a queue is missing, pg-boss 12.35 stores no job and returns no id, as for a
   * duplicate.
   */
  async #expectJob(queue: string, id: string): Promise<void> {
    const { schema } = this.#boss
    const [found] = await this.#boss.sql<{ hasJob: string; hasQueue: string }>(
      `SELECT EXISTS (SELECT 1 FROM ${schema}.job WHERE name = $1 AND id = $2)::text AS "hasJob",
              EXISTS (SELECT 1 FROM ${schema}.queue WHERE name = $1)::text AS "hasQueue"`,
      [queue, id],
    )
    if (found?.hasJob === 'true') return
    throw new Error(
      found?.hasQueue === 'true' ? 'The event was deleted while being stored again' : `Queue ${queue} does not exist`,
    )
  }

  /** Claims up to `limit` jobs. If the answer arrives too late, its jobs are released. */
  async #fetch(name: string, limit: number): Promise<readonly Fetched[]> {
    let isGivenUp = false
    const fetch = async ({ boss, queue, db }: BossCall): Promise<readonly Fetched[]> => {
      const jobs = await boss.fetch<unknown>(queue, { batchSize: limit, ...db })
      await this.#applySettings(name, jobs)
      const fetched = jobs.map(({ id, retryCount, data }) => ({ id, retryCount: Number(retryCount), data }))
      if (isGivenUp) await this.#giveBack(name, fetched)
      return fetched
    }
    try {
      return await this.#boss.call(name, fetch)
    } catch (error) {
      isGivenUp = true
      throw error
    }
  }

  /**
   * Gives claimed jobs the lease and time limit of this process. They have those of the process that stored them, perhaps
   * before an update changed `leaseMs` or `handlerTimeoutMs`. If this fails, the previous ones apply to these attempts.
   */
  async #applySettings(name: string, jobs: readonly Job<unknown>[]): Promise<void> {
    const { heartbeatSeconds, expireInSeconds } = this.#boss.sendOptions(name)
    const ids = jobs
      .filter((job) => job.heartbeatSeconds !== heartbeatSeconds || job.expireInSeconds !== expireInSeconds)
      .map(({ id }) => id)
    if (ids.length === 0) return
    const changing = this.#boss.sql(
      `UPDATE ${this.#boss.schema}.job SET heartbeat_seconds = $3, expire_seconds = $4
       WHERE name = $1 AND id = ANY($2::uuid[]) AND state = 'active'`,
      [this.#boss.queueOf(name), ids, heartbeatSeconds, expireInSeconds],
    )
    await changing.catch(() => {})
  }

  /** Releases jobs without counting the attempts. If this fails, the attempts end when their leases expire. */
  async #giveBack(name: string, jobs: readonly Fetched[]): Promise<void> {
    const nowMs = this.#settings.now()
    const message = 'PostgreSQL answered the claim too late.'
    const error = { code: 'store_unavailable', name: 'InboxUnavailableError', message } as const
    const ending = { state: 'ready', dueAtMs: nowMs, isCounted: false, startedAtMs: nowMs, nowMs, error } as const
    await Promise.allSettled(jobs.map((job) => this.#endings.end(leaseOf(name, job), ending)))
  }

  /** Remembers when an event is due, so it is claimed then instead of at the next regular poll. */
  #rememberDue(name: string, delayMs: number): void {
    if (this.#due.length >= rememberedDueTimes) return
    this.#due.push({ name, dueAtMs: this.#settings.now() + delayMs + clockSlackMs })
  }
}
