import type { InboxSettings } from '@scrapenest-webhooks/inbox/kit'
import { type Db, PgBoss, type SendOptions } from 'pg-boss'
import { unavailable } from './postgres-faults.ts'

export interface BossOptions {
  readonly source: PgBoss | string
  readonly schema: string
  readonly queuePrefix: string
  readonly settings: InboxSettings
}

/** How long PostgreSQL may take to answer a delivery, in milliseconds. */
const answerTimeoutMs = 800

/** Ten years: an acknowledged event is never deleted because it waited, and a dead letter stays until it is purged. */
const foreverSeconds = 315_360_000

/** The base of pg-boss's own jittered delays, for attempts whose expired lease it finds before a worker does. */
export const watchRetryDelaySeconds = 30

/** An SQLSTATE without a meaning in PostgreSQL. */
const rolledBack = 'SNRBK'

/** pg-boss's own limit. */
const longestExpirySeconds = 86_400

/**
 * The user's pg-boss, or our own: started when it is first needed, with a queue for each receiver's name. Every call to
 * PostgreSQL goes through here, and rejects with `store_unavailable` if it fails.
 */
export class Boss {
  readonly schema: string
  readonly heartbeatSeconds: number
  readonly deleteAfterSeconds: number
  readonly #options: BossOptions
  readonly #boss: PgBoss
  readonly #queues = new Map<string, Promise<void>>()
  #starting: Promise<unknown> | undefined
  #isStarted = false

  constructor(options: BossOptions) {
    const { source, schema, settings } = options
    this.#options = options
    this.schema = schema
    this.deleteAfterSeconds = Math.max(1, Math.ceil(settings.keepDoneMs / 1000))
    this.heartbeatSeconds = Math.ceil(settings.leaseMs / 1000)
    this.#boss =
      typeof source === 'string'
        ? new PgBoss({ connectionString: source, schema, schedule: false, connectionTimeoutMillis: answerTimeoutMs })
        : source
    // Without a listener an error would end the process. The next call rejects, and its caller reports it.
    if (typeof source === 'string') this.#boss.on('error', () => {})
  }

  /** Calls pg-boss once the queue of this receiver's name exists. */
  async call<Answer>(name: string, ask: (boss: PgBoss, queue: string) => Promise<Answer>): Promise<Answer> {
    return await answering(async () => await ask(await this.#withQueue(name), this.queueOf(name)))
  }

  /** As `call`, and rejects if the answer takes too long for a delivery; what was asked may still be done later. */
  async callInTime<Answer>(name: string, ask: (boss: PgBoss, queue: string) => Promise<Answer>): Promise<Answer> {
    return await this.call(name, async (boss, queue) => await inTime(ask(boss, queue)))
  }

  /** Runs SQL, for what pg-boss has no call for. */
  async sql<Row>(text: string, values: unknown[], db?: Db): Promise<readonly Row[]> {
    return await answering(async () => {
      const { rows } = await (db ?? (await this.#started()).getDb()).executeSql(text, values)
      return rows as Row[]
    })
  }

  queueOf(name: string): string {
    return `${this.#options.queuePrefix}/${name}`
  }

  /** The queue of this name; without one, those of all names, including those of other processes. */
  async queuesOf(name: string | undefined): Promise<string[]> {
    const names = name === undefined ? await this.#names() : [name]
    return names.map((one) => this.queueOf(one))
  }

  /**
   * Inserts a job into the queue of this name and rolls back: rejects when the schema is missing, or PostgreSQL takes no
   * writes. In one statement, because each goes to any free connection of the pool, or of the user's adapter.
   */
  async tryInsert(name: string): Promise<void> {
    await this.callInTime(name, async (boss, queue) => {
      // Names and prefixes contain nothing that SQL interprets between quotes; a DO block takes no parameters.
      await boss.getDb().executeSql(
        `DO $$ BEGIN
           INSERT INTO ${this.schema}.job (name) VALUES ('${queue}');
           RAISE SQLSTATE '${rolledBack}';
         EXCEPTION WHEN SQLSTATE '${rolledBack}' THEN NULL;
         END $$`,
        [],
      )
    })
  }

  /** What each job is sent with: its queue may be older than these settings. */
  sendOptions(name: string): SendOptions {
    const { maxAttempts, handlerTimeoutMs, graceMs } = this.#options.settings
    const longestRunSeconds = Math.ceil((handlerTimeoutMs + graceMs) / 1000) + this.heartbeatSeconds
    return {
      retryLimit: maxAttempts - 1,
      // For attempts that pg-boss itself finds dead; for those a worker finds, the backoff decides.
      retryDelay: watchRetryDelaySeconds,
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
    if (typeof this.#options.source !== 'string') return
    // A start in progress would otherwise count as one after this.
    await this.#starting?.catch(() => {})
    this.#isStarted = false
    await this.#boss.stop({ graceful: false }).catch(() => {})
  }

  async #started(): Promise<PgBoss> {
    if (!this.#isStarted) {
      this.#starting ??= this.#boss.start().finally(() => {
        this.#starting = undefined
      })
      await this.#starting
      this.#isStarted = true
    }
    return this.#boss
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
    // If another process has created them, that is a success.
    await boss.createQueue(deadLetter, { retentionSeconds: foreverSeconds, deleteAfterSeconds: 0 })
    await boss.createQueue(this.queueOf(name), { ...this.sendOptions(name), deadLetter })
  }

  #deadLettersOf(name: string): string {
    return `${this.queueOf(name)}/dead`
  }

  async #names(): Promise<readonly string[]> {
    const queues = await answering(async () => await (await this.#started()).getQueues())
    const prefix = `${this.#options.queuePrefix}/`
    const names = queues.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length))
    return names.filter((name) => !name.includes('/'))
  }
}

/** What PostgreSQL, its client or pg-boss throws becomes the inbox's own failure. */
async function answering<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    throw unavailable(error)
  }
}

async function inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(unavailable(undefined)), answerTimeoutMs)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
