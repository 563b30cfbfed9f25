import type { InboxFilter, InboxPage, InboxRecord, InboxStats } from '@scrapenest-webhooks/inbox'
import type { Boss } from './boss.ts'
import { jobIdOf } from './job-data.ts'
import { cursorOf, type JobRow, rowColumns, selection, toRecord, toSummary } from './job-rows.ts'

/** What people see of the jobs: pg-boss has no call for it, so it is SQL on its table. */
export class BossLookups {
  readonly #boss: Boss

  constructor(boss: Boss) {
    this.#boss = boss
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
    )
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return { events: page.map(toSummary), ...(rows.length > limit && last ? { nextCursor: cursorOf(last) } : {}) }
  }

  async get(eventId: string, name: string): Promise<InboxRecord | undefined> {
    const [row] = await this.#boss.sql<JobRow>(
      `SELECT ${rowColumns} FROM ${this.#boss.schema}.job WHERE name = $1 AND id = $2`,
      [this.#boss.queueOf(name), jobIdOf({ name, eventId })],
    )
    return row === undefined ? undefined : toRecord(row)
  }

  async stats(name: string | undefined): Promise<InboxStats> {
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
      [await this.#boss.queuesOf(name)],
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
  }
}
