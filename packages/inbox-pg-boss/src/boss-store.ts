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
  type EventStore,
  type ExpiredAttempt,
  type InboxSettings,
  type Lease,
  leaseEnded,
} from '@scrapenest-webhooks/inbox/engine'
import type { Db, JobAttempt } from 'pg-boss'
import { answerInTime, type Boss } from './boss.ts'
import { type JobData, type JobOutput, jobIdOf, toEvent, toJobData } from './job-data.ts'
import { cursorOf, type JobRow, rowColumns, selection, toRecord, toSummary } from './job-rows.ts'
import { unavailable } from './postgres-faults.ts'

/** A claim, by its lease's id: the receiver's name and the job's id. */
interface HeldClaim {
  readonly name: string
  readonly event: InboxEvent
  readonly replays: number
  /** Whether the handler has put the completion into a transaction of its own. */
  isCompleting: boolean
}

/**
 * The events in pg-boss's table of jobs. A claim is `fetch`, with pg-boss's count of retries as the token that fences it;
 * its lease is the heartbeat; its end is `complete` or `fail`. What pg-boss has no call for is SQL on the same table: how
 * long until the next attempt and whether there is one, lists and counts, `replay` and `purge`.
 */
export class BossStore implements EventStore {
  readonly capabilities: InboxCapabilities = {
    isDurable: true,
    isShared: true,
    attempts: 'last',
    filters: [
      'name',
      'eventId',
      'eventType',
      'state',
      'isUnhandled',
      'receivedFrom',
      'receivedBefore',
      'finishedBefore',
    ],
    replayableStates: ['done', 'dead'],
    canDropPayload: true,
    canTakeClock: false,
  }
  readonly #boss: Boss
  readonly #settings: InboxSettings
  readonly #held = new Map<string, HeldClaim>()
  /** When events that failed here are due, as far as that is before the next look for events of other processes. */
  #soonDueAtMs: number[] = []

  constructor(boss: Boss, settings: InboxSettings) {
    this.#boss = boss
    this.#settings = settings
  }

  /** @param name whose queue is to be there, so that the first delivery need not wait for it. */
  async open(name?: string): Promise<void> {
    if (name === undefined) await this.#boss.ready()
    else await this.#boss.withQueue(name)
  }

  async close(): Promise<void> {
    this.#held.clear()
    await this.#boss.close()
  }

  async put(event: InboxEvent): Promise<'stored' | 'duplicate'> {
    return await answering(async () => {
      const { name } = event
      const boss = await this.#boss.withQueue(name)
      const options = { ...this.#boss.sendOptions(name), id: jobIdOf(event) }
      const id = await answerInTime(boss.send(this.#boss.queueOf(name), toJobData(event), options))
      return id === null ? 'duplicate' : 'stored'
    })
  }

  async claim({ name, limit, nowMs }: ClaimRequest): Promise<Claim> {
    return await answering(async () => {
      const boss = await this.#boss.withQueue(name)
      const jobs = await boss.fetch<JobData>(this.#boss.queueOf(name), { batchSize: limit })
      const claimed = jobs.map(({ id, retryCount, data }) => {
        const lease = leaseOf(name, { id, retryCount })
        const event = toEvent(data)
        this.#held.set(keyOf(lease), { name, event, replays: data.replays ?? 0, isCompleting: false })
        return { lease, event, attempt: retryCount + 1 }
      })
      this.#soonDueAtMs = this.#soonDueAtMs.filter((dueAtMs) => dueAtMs > nowMs)
      return { claimed, nextDueAtMs: this.#soonDueAtMs.length > 0 ? Math.min(...this.#soonDueAtMs) : undefined }
    })
  }

  /** pg-boss finds them too, once a minute; here they are found sooner, and a dead one is told. */
  async expired(name: string): Promise<readonly ExpiredAttempt[]> {
    return await answering(async () => {
      await this.#boss.withQueue(name)
      const rows = await this.#boss.sql<JobRow>(
        `SELECT ${rowColumns} FROM ${this.#boss.schema}.job
         WHERE name = $1 AND state = 'active' AND heartbeat_on + heartbeat_seconds * interval '1s' < now() LIMIT 100`,
        [this.#boss.queueOf(name)],
      )
      return rows.map(({ id, retry_count: retryCount, data, started_on: startedOn }) => ({
        lease: leaseOf(name, { id, retryCount }),
        event: toEvent(data),
        attempt: retryCount + 1,
        startedAtMs: startedOn?.getTime() ?? Date.now(),
      }))
    })
  }

  async renew(leases: readonly Lease[]): Promise<ReadonlySet<string>> {
    return await answering(async () => {
      const held = new Set<string>()
      const byName = new Map<string, Lease[]>()
      for (const lease of leases) {
        // Its row is locked by the handler's own transaction, and nobody else can have it.
        if (this.#held.get(keyOf(lease))?.isCompleting === true) held.add(lease.id)
        else byName.set(nameOf(lease), [...(byName.get(nameOf(lease)) ?? []), lease])
      }
      for (const [name, its] of byName) {
        const boss = await this.#boss.withQueue(name)
        const { settled = [] } = (await boss.touch(this.#boss.queueOf(name), its.map(attemptOf))) as {
          settled?: readonly string[]
        }
        const touched = new Set(settled)
        for (const lease of its) if (touched.has(attemptOf(lease).id)) held.add(lease.id)
      }
      return held
    })
  }

  async end(lease: Lease, ending: Ending): Promise<boolean> {
    return await answering(async () => {
      const isEnded = await this.#end(lease, ending)
      this.#held.delete(keyOf(lease))
      return isEnded
    })
  }

  async list(
    filter: InboxFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<InboxPage> {
    return await answering(async () => {
      const { where, values } = selection(filter, await this.#queuesOf(filter.name))
      const [createdUs, id] = cursor?.split('_') ?? []
      const next = values.length + 1
      const after = `(created_on, id) < (timestamptz 'epoch' + $${next}::bigint * interval '1 microsecond', $${next + 1}::uuid)`
      const rows = await this.#boss.sql<JobRow>(
        `SELECT ${rowColumns} FROM ${this.#boss.schema}.job WHERE ${where}${cursor === undefined ? '' : ` AND ${after}`}
         ORDER BY created_on DESC, id DESC LIMIT ${limit + 1}`,
        cursor === undefined ? values : [...values, createdUs, id],
      )
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return { events: page.map(toSummary), ...(rows.length > limit && last ? { nextCursor: cursorOf(last) } : {}) }
    })
  }

  async get(eventId: string, name: string): Promise<InboxRecord | undefined> {
    return await answering(async () => {
      const [row] = await this.#boss.sql<JobRow>(
        `SELECT ${rowColumns} FROM ${this.#boss.schema}.job WHERE name = $1 AND id = $2`,
        [this.#boss.queueOf(name), jobIdOf({ name, eventId })],
      )
      return row === undefined ? undefined : toRecord(row)
    })
  }

  async stats(name: string | undefined): Promise<InboxStats> {
    return await answering(async () => {
      const [counts] = await this.#boss.sql<
        Record<keyof Omit<InboxStats, 'oldestReadyAt'>, string> & { oldest: Date | null }
      >(
        `SELECT count(*) FILTER (WHERE state < 'active') AS ready,
                count(*) FILTER (WHERE state = 'active') AS running,
                count(*) FILTER (WHERE state = 'completed') AS done,
                count(*) FILTER (WHERE state > 'completed') AS dead,
                count(*) FILTER (WHERE state = 'completed' AND (output->>'isUnhandled')::boolean) AS unhandled,
                min(start_after) FILTER (WHERE state < 'active') AS oldest
         FROM ${this.#boss.schema}.job WHERE name = ANY($1)`,
        [await this.#queuesOf(name)],
      )
      const { oldest, ready, running, done, dead, unhandled } = counts ?? { oldest: null }
      return {
        ready: Number(ready ?? 0),
        running: Number(running ?? 0),
        done: Number(done ?? 0),
        dead: Number(dead ?? 0),
        unhandled: Number(unhandled ?? 0),
        ...(oldest === null ? {} : { oldestReadyAt: oldest }),
      }
    })
  }

  async replay(filter: InboxFilter): Promise<ReplayResult> {
    return await answering(async () => {
      const { where, values } = selection(filter, await this.#queuesOf(filter.name))
      const { schema } = this.#boss
      const { maxAttempts } = this.#settings
      const { deleteAfterSeconds } = this.#boss
      const final = `${where} AND state >= 'completed'`
      const [counted] = await this.#boss.sql<{ replayed: string; without: string }>(
        `WITH without AS (SELECT id FROM ${schema}.job WHERE ${final} AND NOT data ? 'signedHeaders'),
         replayed AS (
           UPDATE ${schema}.job
           SET state = 'created', retry_count = 0, retry_limit = ${maxAttempts - 1}, started_on = NULL,
             completed_on = NULL, heartbeat_on = NULL, start_after = now(), deletion_seconds = ${deleteAfterSeconds},
             keep_until = now() + (keep_until - created_on),
             data = data || jsonb_build_object('replays', COALESCE((data->>'replays')::int, 0) + 1)
           WHERE ${final} AND data ? 'signedHeaders'
           RETURNING id
         ),
         letters AS (DELETE FROM ${schema}.job WHERE ${isLetter} AND source_id IN (SELECT id FROM replayed))
         SELECT (SELECT count(*) FROM replayed) AS replayed, (SELECT count(*) FROM without) AS without`,
        values,
      )
      return { replayed: Number(counted?.replayed), withoutPayload: Number(counted?.without) }
    })
  }

  async purge(filter: InboxFilter): Promise<number> {
    return await answering(async () => {
      const { where, values } = selection(filter, await this.#queuesOf(filter.name))
      const { schema } = this.#boss
      const [counted] = await this.#boss.sql<{ purged: string }>(
        `WITH purged AS (DELETE FROM ${schema}.job WHERE ${where} AND state >= 'completed' RETURNING id),
         letters AS (DELETE FROM ${schema}.job WHERE ${isLetter} AND source_id IN (SELECT id FROM purged))
         SELECT count(*) AS purged FROM purged`,
        values,
      )
      return Number(counted?.purged)
    })
  }

  /** Completes an attempt that runs here, inside a transaction of the user's. @returns false when its lease is lost. */
  async completeIn(db: Db, event: InboxEvent): Promise<boolean> {
    const found = [...this.#held].find(([, { event: held }]) => held === event)
    if (found === undefined) return false
    const [key, claim] = found
    const lease = leaseFrom(key)
    const startedAtMs = this.#settings.now()
    claim.isCompleting = true
    const ending = {
      state: 'done',
      isUnhandled: false,
      keepsPayload: this.#settings.keepPayload,
      startedAtMs,
      nowMs: startedAtMs,
    } as const
    const isCompleted = await this.#complete(lease, ending, db)
    claim.isCompleting = isCompleted
    return isCompleted
  }

  /** Whether an attempt whose completion went into a transaction is not completed: that was rolled back, or still is open. */
  async isStillRunning(event: InboxEvent): Promise<boolean> {
    const found = [...this.#held].find(([, { event: held }]) => held === event)
    if (found === undefined || !found[1].isCompleting) return false
    found[1].isCompleting = false
    const lease = leaseFrom(found[0])
    return await answering(async () => {
      const { id, retryCount } = attemptOf(lease)
      const rows = await this.#boss.sql(
        `SELECT 1 FROM ${this.#boss.schema}.job WHERE name = $1 AND id = $2 AND state = 'active' AND retry_count = $3`,
        [this.#boss.queueOf(nameOf(lease)), id, retryCount],
      )
      return rows.length > 0
    })
  }

  async #end(lease: Lease, ending: Ending): Promise<boolean> {
    if (ending.state === 'done') return await this.#complete(lease, ending)
    const name = nameOf(lease)
    const boss = await this.#boss.withQueue(name)
    const queue = this.#boss.queueOf(name)
    const attempt = attemptOf(lease)
    const { retryCount } = attempt
    const isCounted = ending.state === 'dead' || ending.isCounted
    const delaySeconds = ending.state === 'ready' ? Math.max(0, Math.round((ending.dueAtMs - ending.nowMs) / 1000)) : 0
    // What `fail` then does stands in the job itself. If this process dies in between, its heartbeat ends, and pg-boss
    // does the same; without `started_on` the next claim counts no attempt more.
    await this.#boss.sql(
      `UPDATE ${this.#boss.schema}.job
       SET retry_limit = $4, retry_delay = $5, retry_backoff = false,
         deletion_seconds = CASE WHEN $4 = retry_count THEN 0 ELSE deletion_seconds END
         ${isCounted ? '' : ', started_on = NULL'}
       WHERE name = $1 AND id = $2 AND state = 'active' AND retry_count = $3`,
      [
        queue,
        attempt.id,
        retryCount,
        ending.state === 'dead' ? retryCount : Math.max(this.#settings.maxAttempts - 1, retryCount + 1),
        delaySeconds,
      ],
    )
    const { affected } = (await boss.fail(queue, attempt, this.#output(lease, ending))) as { affected: number }
    if (affected > 0 && ending.state === 'ready') this.#remember(delaySeconds)
    return affected > 0
  }

  async #complete(lease: Lease, ending: Ending & { readonly state: 'done' }, db?: Db): Promise<boolean> {
    const name = nameOf(lease)
    const boss = await this.#boss.withQueue(name)
    const queue = this.#boss.queueOf(name)
    const complete = async (through: Db | undefined): Promise<boolean> => {
      const { affected } = (await boss.complete(
        queue,
        attemptOf(lease),
        this.#output(lease, ending),
        through && { db: through },
      )) as {
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
  }

  #output(lease: Lease, ending: Ending): JobOutput {
    const { startedAtMs, nowMs, error, state } = ending
    const replay = this.#held.get(keyOf(lease))?.replays ?? 0
    const facts = {
      attempt: attemptOf(lease).retryCount + 1,
      replay,
      startedAt: startedAtMs,
      durationMs: Math.max(0, nowMs - startedAtMs),
    }
    if (state === 'done') return { ...facts, isUnhandled: ending.isUnhandled }
    const told = error ?? leaseEnded
    return { ...facts, message: `${told.code}: ${told.message}`, error: told }
  }

  #remember(delaySeconds: number): void {
    const delayMs = delaySeconds * 1000
    // Later ones are found by the regular look.
    if (delayMs < this.#settings.pollIntervalMs) this.#soonDueAtMs.push(this.#settings.now() + delayMs + 5)
  }

  async #queuesOf(name: string | undefined): Promise<string[]> {
    const names = name === undefined ? await this.#boss.names() : [name]
    return names.map((one) => this.#boss.queueOf(one))
  }
}

/** The copies that pg-boss made of dead events, in the queues beside those of the first value. */
const isLetter = "name IN (SELECT unnest($1::text[]) || '/dead')"

function leaseOf(name: string, { id, retryCount }: JobAttempt): Lease {
  return { id: `${name}/${id}`, token: String(retryCount) }
}

function nameOf({ id }: Lease): string {
  return id.slice(0, id.indexOf('/'))
}

function attemptOf({ id, token }: Lease): JobAttempt {
  return { id: id.slice(id.indexOf('/') + 1), retryCount: Number(token) }
}

function keyOf({ id, token }: Lease): string {
  return `${id} ${token}`
}

function leaseFrom(key: string): Lease {
  const [id = '', token = ''] = key.split(' ')
  return { id, token }
}

async function answering<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    throw unavailable(error)
  }
}
