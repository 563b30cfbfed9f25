import type { Claim, ClaimRequest, ExpiredAttempt, Lease } from '@scrapenest-webhooks/inbox/engine'
import type { Boss } from './boss.ts'
import { type JobData, toEvent } from './job-data.ts'
import { type JobRow, rowColumns } from './job-rows.ts'
import { attemptOf, type HeldClaims, leaseOf, nameOf } from './leases.ts'

/** How many due times are remembered. What is due beyond them is found by the regular look for events of other processes. */
const rememberedDueTimes = 1000

/** Who has which job: pg-boss's `fetch` claims, its heartbeat is the lease, and `touch` renews it. */
export class BossClaims {
  readonly #boss: Boss
  readonly #held: HeldClaims
  /** When events that failed here, or whose lease was found ended here, are due again. */
  #due: { readonly name: string; readonly dueAtMs: number }[] = []

  constructor(boss: Boss, held: HeldClaims) {
    this.#boss = boss
    this.#held = held
  }

  async claim({ name, limit, nowMs }: ClaimRequest): Promise<Claim> {
    const boss = await this.#boss.withQueue(name)
    const jobs = await boss.fetch<JobData>(this.#boss.queueOf(name), { batchSize: limit })
    const claimed = jobs.map(({ id, retryCount, data }) => {
      const lease = leaseOf(name, { id, retryCount })
      const event = toEvent(data)
      this.#held.add({ lease, event, replays: data.replays ?? 0, isCompleting: false })
      return { lease, event, attempt: retryCount + 1 }
    })
    this.#due = this.#due.filter(({ dueAtMs }) => dueAtMs > nowMs)
    const ofName = this.#due.filter((due) => due.name === name).map(({ dueAtMs }) => dueAtMs)
    return { claimed, nextDueAtMs: ofName.length > 0 ? Math.min(...ofName) : undefined }
  }

  /** Has an event claimed when it is due, and not at the next regular look, together with others that are due by then. */
  rememberDue(name: string, dueAtMs: number): void {
    if (this.#due.length < rememberedDueTimes) this.#due.push({ name, dueAtMs })
  }

  /** pg-boss finds them too, once a minute; here they are found sooner, and a dead one is told. */
  async expired(name: string): Promise<readonly ExpiredAttempt[]> {
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
  }

  async renew(leases: readonly Lease[]): Promise<ReadonlySet<string>> {
    const held = new Set<string>()
    const byName = new Map<string, Lease[]>()
    for (const lease of leases) {
      // Its row is locked by the handler's own transaction, and nobody else can have it.
      if (this.#held.of(lease)?.isCompleting === true) held.add(lease.id)
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
  }
}
