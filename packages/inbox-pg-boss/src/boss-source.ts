import type { Db, PgBoss } from 'pg-boss'
import { supportedPgBoss } from './supported-pg-boss.ts'
import { TimeLimitError, within } from './time-limit.ts'

/** The pg-boss to call: our own, or the application's. */
export interface BossSource {
  /** Returns a started pg-boss. Concurrent callers share one start. */
  started(): Promise<PgBoss>
  /**
   * Limits the time of each statement, for the `db` option of calls to pg-boss. Absent if the application owns the
   * connections.
   */
  readonly limited?: (boss: PgBoss, limitMs: number) => Db
  /** Makes the next call reconnect and create a missing schema. Absent if only the application can do that. */
  readonly discard?: () => void
  close(): Promise<void>
}

export interface OwnBossOptions {
  readonly connectionString: string
  readonly schema: string
  readonly createSchema: boolean
}

/** How long to wait for a free connection, or for a new one to be established, in milliseconds. */
const connectionTimeoutMs = 800

/** Shorter than a statement's time limit, so a worker does not try many silent connections in turn. */
const idleTimeoutMs = 3000

/** How long a start may take before it is replaced, in milliseconds. Doubles each time, because a migration can be slow. */
const startTimeoutMs = 5000

/** The time limit of pg-boss's own statements, in milliseconds: migrations, index builds, maintenance. */
const upkeepTimeoutMs = 600_000

/** Our own pg-boss, with its own connections. */
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
      // pg-boss passes its first argument to `pg`, which also accepts a query with a time limit. After that, `pg` closes the
      // connection, which removes silent connections from the pool.
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
    // A start in progress must not finish later.
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
    // Typed as an object, because pg-boss passes all options to `pg`, which accepts more than pg-boss declares.
    const connection: object = {
      connectionTimeoutMillis: connectionTimeoutMs,
      idleTimeoutMillis: idleTimeoutMs,
      query_timeout: upkeepTimeoutMs,
      keepAlive: true,
    }
    const boss = new PgBoss({ ...connection, connectionString, schema, createSchema, schedule: false })
    // Without a listener, an error would end the process. It is not lost: the next call rejects, and its caller reports it.
    boss.on('error', () => {})
    return boss
  }
}

/** The application's pg-boss. Started if needed, never stopped. */
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
