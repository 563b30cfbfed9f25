import type { Db, PgBoss } from 'pg-boss'
import { supportedPgBoss } from './supported-pg-boss.ts'
import { TimeLimitError, within } from './time-limit.ts'

/** Where calls go: a pg-boss of ours, or the application's. */
export interface BossSource {
  /** A started pg-boss. Concurrent callers share one start. */
  started(): Promise<PgBoss>
  /** Bounds each statement, for the `db` option of calls to pg-boss. Absent where the application owns the connections. */
  readonly limited?: (boss: PgBoss, limitMs: number) => Db
  /** Starts over with new connections at the next call, which creates a missing schema. Absent if only the application can. */
  readonly discard?: () => void
  close(): Promise<void>
}

export interface OwnBossOptions {
  readonly connectionString: string
  readonly schema: string
  readonly createSchema: boolean
}

/** For a new connection, the login included, and for a free one, in milliseconds. */
const connectionTimeoutMs = 800

/** Shorter than the time limit of a statement: of many silent connections, a worker must not try one after the other. */
const idleTimeoutMs = 3000

/** How long a start may take before another is begun, in milliseconds. Doubles each time: a migration can take long. */
const startTimeoutMs = 5000

/** For a statement of pg-boss's own, in milliseconds: a migration, the build of an index, the upkeep. */
const upkeepTimeoutMs = 600_000

/** A pg-boss of ours, on its own connections. */
export class OwnBoss implements BossSource {
  readonly #options: OwnBossOptions
  #boss: PgBoss | undefined
  #starting: Promise<PgBoss> | undefined
  #startTimeoutMs = startTimeoutMs

  constructor(options: OwnBossOptions) {
    this.#options = options
  }

  async started(): Promise<PgBoss> {
    this.#starting ??= this.#start()
    return await this.#starting
  }

  limited(boss: PgBoss, limitMs: number): Db {
    return {
      // pg-boss passes its first argument to `pg`, which also takes a query with a time limit of its own: then it closes
      // the connection, and a silent one leaves the pool.
      executeSql: (text, values) =>
        boss.getDb().executeSql({ text, query_timeout: limitMs } as unknown as string, values),
    }
  }

  discard(): void {
    const discarded = this.#boss
    this.#boss = undefined
    this.#starting = undefined
    void discarded?.stop({ graceful: false }).catch(() => {})
  }

  async close(): Promise<void> {
    // A start in progress would otherwise count as one after this.
    await this.#starting?.catch(() => {})
    const closed = this.#boss
    this.#boss = undefined
    this.#starting = undefined
    await closed?.stop({ graceful: false }).catch(() => {})
  }

  async #start(): Promise<PgBoss> {
    const boss = this.#create()
    this.#boss = boss
    try {
      await within(this.#startTimeoutMs, boss.start())
      this.#startTimeoutMs = startTimeoutMs
      return boss
    } catch (error) {
      if (error instanceof TimeLimitError) this.#startTimeoutMs = Math.min(upkeepTimeoutMs, this.#startTimeoutMs * 2)
      if (this.#boss === boss) this.discard()
      throw error
    }
  }

  #create(): PgBoss {
    const { connectionString, schema, createSchema } = this.#options
    const { PgBoss } = supportedPgBoss()
    // Type: `pg` knows more options than pg-boss declares, and is given all of them.
    const connection: object = {
      connectionTimeoutMillis: connectionTimeoutMs,
      idleTimeoutMillis: idleTimeoutMs,
      query_timeout: upkeepTimeoutMs,
      keepAlive: true,
    }
    const boss = new PgBoss({ ...connection, connectionString, schema, createSchema, schedule: false })
    // Without a listener an error would end the process. The next call rejects, and its caller reports it.
    boss.on('error', () => {})
    return boss
  }
}

/** The application's pg-boss: started here if it is not, and never stopped. */
export class ApplicationBoss implements BossSource {
  readonly #boss: PgBoss

  constructor(boss: PgBoss) {
    this.#boss = boss
  }

  async started(): Promise<PgBoss> {
    await this.#boss.start()
    return this.#boss
  }

  async close(): Promise<void> {}
}
