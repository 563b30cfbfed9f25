import { ConfigurationError } from '@scrapenest-webhooks/core'
import type { InboxSettings } from '@scrapenest-webhooks/inbox/kit'
import type { Db, PgBoss, SendOptions } from 'pg-boss'
import type { BossSource } from './boss-source.ts'
import { cannotOpen, type Loss, lossIn, toInboxError, toSafeError } from './postgres-faults.ts'
import { TimeLimitError, within } from './time-limit.ts'

export interface BossOptions {
  readonly source: BossSource
  readonly schema: string
  readonly queuePrefix: string
  /** Strings that must not be printed. */
  readonly secrets: readonly string[]
  readonly settings: InboxSettings
}

/** Parameters for a call to pg-boss. */
export interface BossCall {
  readonly boss: PgBoss
  /** The receiver's queue. */
  readonly queue: string
  /** Spread into the options of the call to set a time limit for its statements. */
  readonly db: { readonly db?: Db }
}

/** How long PostgreSQL may take to answer a delivery, in milliseconds. */
export const deliveryTimeoutMs = 800

/** The time limit of a statement, in milliseconds. */
const statementTimeoutMs = 4000

/** The time limit of a statement that reads many events, in milliseconds. */
export const scanTimeoutMs = 10_000

/** The time limit of a statement that changes many events, in milliseconds. */
export const changeTimeoutMs = 60_000

/** Added to a time limit for the wait for a connection, in milliseconds. */
const connectionSlackMs = 1000

/** The time limit of a worker's call, in milliseconds: well below the shortest lease. */
const callTimeoutMs = statementTimeoutMs + connectionSlackMs

/** Ten years. No acknowledged event is deleted while waiting, and dead letters are kept until they are purged. */
const foreverSeconds = 315_360_000

/** The longest delay of a retry, ten years, in milliseconds. PostgreSQL and pg-boss can still store it. */
export const longestDelayMs: number = foreverSeconds * 1000

/** The base of pg-boss's jittered delays, in seconds. Applies if pg-boss finds an expired lease before a worker does. */
export const supervisorRetryDelaySeconds = 30

/**
 * How often pg-boss retries: always, because the worker decides when an event is dead. A move to dead letters by pg-boss
 * would not be reported. Well below PostgreSQL's largest `integer`, because pg-boss counts past this value.
 */
export const mostRetries = 1_000_000_000

/** An SQLSTATE that PostgreSQL does not use. */
const rolledBack = 'SNRBK'

/** pg-boss's limit for `expireInSeconds`. */
const longestExpirySeconds = 86_400

/**
 * pg-boss with a queue for each receiver, started on first use. Every call to PostgreSQL goes through this class, has a time
 * limit, and rejects with `store_unavailable` if it fails.
 *
 * Queues and schema:
 * - *unknown*: the initial state, and the state after a loss. The next call creates what is missing.
 * - *proven*: entered by the first call that succeeds.
 * - *lost*: entered when a call finds that a queue or a proven schema is gone. Only that call reports the loss, and the
 *   state returns to *unknown*. A table that is missing before any call has succeeded is not a loss: the schema does not
 *   match the installed pg-boss.
 */
export class Boss {
  readonly schema: string
  readonly heartbeatSeconds: number
  readonly deleteAfterSeconds: number
  readonly #options: BossOptions
  readonly #queues = new Map<string, Promise<void>>()
  /** Instances whose connection settings have been checked. */
  readonly #checked = new WeakSet<PgBoss>()
  /** Counts the losses, so only one of several concurrent calls reports each. */
  #losses = 0
  #isProven = false

  constructor(options: BossOptions) {
    const { schema, settings } = options
    this.#options = options
    this.schema = schema
    this.deleteAfterSeconds = Math.min(foreverSeconds, Math.max(1, Math.ceil(settings.keepDoneMs / 1000)))
    this.heartbeatSeconds = Math.ceil(settings.leaseMs / 1000)
  }

  /**
   * Calls pg-boss once the receiver's queue exists.
   *
   * @param limitMs how long to wait for the answer, in milliseconds. The call may still take effect later.
   */
  async call<Answer>(
    name: string,
    ask: (call: BossCall) => Promise<Answer>,
    limitMs: number = callTimeoutMs,
  ): Promise<Answer> {
    return await this.#asking(async () => {
      const boss = await within(callTimeoutMs, this.#withQueue(name))
      return await within(limitMs, ask({ boss, queue: this.queueOf(name), db: this.#limited(boss) }))
    })
  }

  /** Runs SQL for which pg-boss has no method. */
  async sql<Row>(
    text: string,
    values: unknown[],
    { db, limitMs = statementTimeoutMs }: { readonly db?: Db | undefined; readonly limitMs?: number } = {},
  ): Promise<readonly Row[]> {
    return await this.#asking(async () => {
      const through = db ?? this.#dbOf(await within(callTimeoutMs, this.#started()), limitMs)
      const { rows } = await within(limitMs + connectionSlackMs, through.executeSql(text, values))
      return rows as Row[]
    })
  }

  /** Wraps the application's transaction. A failure in it is not a loss, because it may use another database. */
  foreign(db: Db): Db {
    return {
      executeSql: async (text, values) => {
        try {
          return await db.executeSql(text, values)
        } catch (error) {
          throw toInboxError(error, this.#options.secrets)
        }
      },
    }
  }

  queueOf(name: string): string {
    return `${this.#options.queuePrefix}/${name}`
  }

  /** Returns the queue of this name, or without a name all queues, including those of other processes. */
  async queuesOf(name: string | undefined): Promise<string[]> {
    if (name !== undefined) return [this.queueOf(name)]
    const prefix = this.queueOf('')
    const rows = await this.sql<{ name: string }>(
      `SELECT name::text AS name FROM ${this.schema}.queue WHERE starts_with(name::text, $1)`,
      [prefix],
    )
    return rows.map((row) => row.name).filter((queue) => !queue.slice(prefix.length).includes('/'))
  }

  /**
   * Inserts a job into the queue of this name and rolls back. Rejects if the schema is missing or PostgreSQL refuses writes.
   * Uses one statement, because each statement may run on a different connection of the pool.
   */
  async tryInsert(name: string): Promise<void> {
    const insert = async ({ boss, queue, db }: BossCall): Promise<void> => {
      // A DO block accepts no parameters. Names and prefixes cannot contain characters that end a quoted string.
      await (db.db ?? boss.getDb()).executeSql(
        `DO $$ BEGIN
           INSERT INTO ${this.schema}.job (name) VALUES ('${queue}');
           RAISE SQLSTATE '${rolledBack}';
         EXCEPTION WHEN SQLSTATE '${rolledBack}' THEN NULL;
         END $$`,
        [],
      )
    }
    await this.call(name, insert, deliveryTimeoutMs)
  }

  /** Options set on each job, because its queue may have been created with other settings. */
  sendOptions(name: string): SendOptions {
    const { handlerTimeoutMs, graceMs } = this.#options.settings
    const longestRunSeconds = Math.ceil((handlerTimeoutMs + graceMs) / 1000) + this.heartbeatSeconds
    return {
      retryLimit: mostRetries,
      // For expired attempts that pg-boss finds, until a worker finds them (`BossStore.expired`).
      retryDelay: supervisorRetryDelaySeconds,
      retryBackoff: true,
      heartbeatSeconds: this.heartbeatSeconds,
      expireInSeconds: Math.min(longestExpirySeconds, longestRunSeconds),
      retentionSeconds: foreverSeconds,
      deleteAfterSeconds: this.deleteAfterSeconds,
      deadLetter: this.#deadLettersOf(name),
    }
  }

  async close(): Promise<void> {
    this.#queues.clear()
    await this.#options.source.close()
  }

  /** Converts errors of PostgreSQL, its client or pg-boss to inbox errors, and reports each loss once. */
  async #asking<Answer>(ask: () => Promise<Answer>, isRetry = false): Promise<Answer> {
    const losses = this.#losses
    try {
      const answer = await ask()
      this.#isProven = true
      return answer
    } catch (error) {
      const loss = lossIn(error)
      if (loss === undefined) throw toInboxError(error, this.#options.secrets)
      if (losses === this.#losses) throw this.#lose(loss, error)
      // Another call has reported this loss.
      if (isRetry) throw toInboxError(error, this.#options.secrets)
      return await this.#asking(ask, true)
    }
  }

  #lose(loss: Loss, error: unknown): Error {
    const { source, schema, secrets } = this.#options
    const cause = toSafeError(error, secrets)
    if (loss === 'schema' && (!this.#isProven || source.discard === undefined)) {
      const fix =
        source.discard === undefined
          ? 'Restart the application, so its pg-boss creates them.'
          : 'Drop the schema or set a different one, which the inbox then creates.'
      const text = `PostgreSQL refused: ${cause.message}. The schema ${schema} lacks tables that the installed pg-boss needs. ${fix}`
      return cannotOpen(text, new ConfigurationError(text, { cause }))
    }
    this.#losses += 1
    this.#isProven = false
    this.#queues.clear()
    if (loss === 'schema') source.discard?.()
    const lost = loss === 'schema' ? `The schema ${schema}, or a table in it,` : 'A queue of this inbox'
    return cannotOpen(`${lost} was removed, along with its events (${cause.message}). It will be created again.`, cause)
  }

  async #started(): Promise<PgBoss> {
    const { source, secrets } = this.#options
    // Anything missing when pg-boss starts is not a loss.
    const boss = await source.started().catch((error) => Promise.reject(toInboxError(error, secrets)))
    if (!this.#checked.has(boss)) {
      await this.#checkSettings(boss)
      this.#checked.add(boss)
    }
    return boss
  }

  /**
   * Each statement is a separate transaction, so a stricter isolation level would only make concurrent workers fail. Other
   * encodings lack most characters, and would refuse the events that contain one, while all others are stored.
   */
  async #checkSettings(boss: PgBoss): Promise<void> {
    const { rows } = await this.#dbOf(boss, statementTimeoutMs).executeSql(
      "SELECT current_setting('default_transaction_isolation') AS isolation, current_setting('server_encoding') AS encoding",
      [],
    )
    const { isolation, encoding } = Object(rows[0]) as { readonly isolation?: unknown; readonly encoding?: unknown }
    if (isolation !== 'read committed') {
      throw new ConfigurationError(
        `Expected the isolation level of this connection to be 'read committed', got '${isolation}'. At that level, workers ` +
          "cannot claim events concurrently. Run ALTER ROLE … SET default_transaction_isolation = 'read committed' for the inbox's role.",
      )
    }
    // SQL_ASCII stores any bytes unchanged.
    if (encoding !== 'UTF8' && encoding !== 'SQL_ASCII') {
      throw new ConfigurationError(
        `Expected the encoding of the database to be UTF8, got ${encoding}, which cannot store every event. Use a database ` +
          "that was created with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
      )
    }
  }

  async #withQueue(name: string): Promise<PgBoss> {
    const boss = await this.#started()
    let creating = this.#queues.get(name)
    if (creating === undefined) {
      creating = this.#createQueue(boss, name)
      this.#queues.set(name, creating)
      creating.catch(() => this.#queues.delete(name))
    }
    await creating
    return boss
  }

  async #createQueue(boss: PgBoss, name: string): Promise<void> {
    const deadLetter = this.#deadLettersOf(name)
    try {
      // Succeeds if another process has created them already.
      const dead = boss.createQueue(deadLetter, { retentionSeconds: foreverSeconds, deleteAfterSeconds: 0 })
      await within(statementTimeoutMs, dead)
      await within(statementTimeoutMs, boss.createQueue(this.queueOf(name), { ...this.sendOptions(name), deadLetter }))
    } catch (error) {
      // The statements of `createQueue` have a long time limit and still occupy their connections.
      if (error instanceof TimeLimitError) this.#options.source.discard?.()
      throw error
    }
  }

  #limited(boss: PgBoss): { readonly db?: Db } {
    const { source } = this.#options
    return source.limited === undefined ? {} : { db: source.limited(boss, statementTimeoutMs) }
  }

  #dbOf(boss: PgBoss, limitMs: number): Db {
    return this.#options.source.limited?.(boss, limitMs) ?? boss.getDb()
  }

  #deadLettersOf(name: string): string {
    return `${this.queueOf(name)}/dead`
  }
}
