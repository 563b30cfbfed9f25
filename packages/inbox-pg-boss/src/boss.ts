import type { InboxSettings } from '@scrapenest-webhooks/inbox/engine'
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

/** What pg-boss makes its jittered delays of, for the attempts whose lease it finds ended before a worker does. */
export const watchRetryDelaySeconds = 30

/** An SQLSTATE that PostgreSQL has no meaning for. */
const rolledBack = 'SNRBK'

/** pg-boss's own limit. */
const longestExpirySeconds = 86_400

/** The user's pg-boss, or one of our own: started when it is needed, with a queue for each receiver's name. */
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
    // Without a listener an error would end the process. Whoever needs the database finds out, and tells.
    if (typeof source === 'string') this.#boss.on('error', () => {})
  }

  /** Rejects with `store_unavailable` when PostgreSQL cannot be reached. */
  async ready(): Promise<PgBoss> {
    if (!this.#isStarted) {
      this.#starting ??= this.#boss.start().finally(() => {
        this.#starting = undefined
      })
      try {
        await this.#starting
      } catch (error) {
        throw unavailable(error)
      }
      this.#isStarted = true
    }
    return this.#boss
  }

  /** pg-boss, with the queue of this receiver's name in it. */
  async withQueue(name: string): Promise<PgBoss> {
    const boss = await this.ready()
    let making = this.#queues.get(name)
    if (making === undefined) {
      making = this.#makeQueue(boss, name)
      this.#queues.set(name, making)
      making.catch(() => this.#queues.delete(name))
    }
    try {
      await making
    } catch (error) {
      throw unavailable(error)
    }
    return boss
  }

  queueOf(name: string): string {
    return `${this.#options.queuePrefix}/${name}`
  }

  deadLettersOf(name: string): string {
    return `${this.queueOf(name)}/dead`
  }

  /** The queue of this name; without one, those of all names, those of other processes included. */
  async queuesOf(name: string | undefined): Promise<string[]> {
    const names = name === undefined ? await this.#names() : [name]
    return names.map((one) => this.queueOf(one))
  }

  /** Runs SQL of our own, for what pg-boss has no call for. */
  async sql<Row>(text: string, values: unknown[], db?: Db): Promise<readonly Row[]> {
    const boss = await this.ready()
    const { rows } = await (db ?? boss.getDb()).executeSql(text, values)
    return rows as Row[]
  }

  /**
   * Inserts a job into the queue of this name and rolls back: rejects when the schema is missing, or PostgreSQL takes no
   * writes. In one statement, because each goes to whatever connection the pool, or an adapter of the user's, has free.
   */
  async tryInsert(name: string): Promise<void> {
    const boss = await this.withQueue(name)
    // Names and prefixes hold nothing that SQL gives a meaning to between quotes; a DO block takes no parameters.
    await boss.getDb().executeSql(
      `DO $$ BEGIN
         INSERT INTO ${this.schema}.job (name) VALUES ('${this.queueOf(name)}');
         RAISE SQLSTATE '${rolledBack}';
       EXCEPTION WHEN SQLSTATE '${rolledBack}' THEN NULL;
       END $$`,
      [],
    )
  }

  /** What each job is sent with: its queue may be older than these settings. */
  sendOptions(name: string): SendOptions {
    const { maxAttempts, handlerTimeoutMs, graceMs } = this.#options.settings
    const longestRunSeconds = Math.ceil((handlerTimeoutMs + graceMs) / 1000) + this.heartbeatSeconds
    return {
      retryLimit: maxAttempts - 1,
      // Where pg-boss itself finds an attempt dead; where a worker does, its backoff decides.
      retryDelay: watchRetryDelaySeconds,
      retryBackoff: true,
      heartbeatSeconds: this.heartbeatSeconds,
      expireInSeconds: Math.min(longestExpirySeconds, longestRunSeconds),
      retentionSeconds: foreverSeconds,
      deleteAfterSeconds: this.deleteAfterSeconds,
      deadLetter: this.deadLettersOf(name),
    }
  }

  async close(): Promise<void> {
    this.#queues.clear()
    if (typeof this.#options.source !== 'string') return
    // A start in progress would otherwise be taken for one after this.
    await this.#starting?.catch(() => {})
    this.#isStarted = false
    await this.#boss.stop({ graceful: false }).catch(() => {})
  }

  async #names(): Promise<readonly string[]> {
    const queues = await this.ready().then((boss) => boss.getQueues())
    const prefix = `${this.#options.queuePrefix}/`
    const names = queues.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length))
    return names.filter((name) => !name.includes('/'))
  }

  async #makeQueue(boss: PgBoss, name: string): Promise<void> {
    const deadLetter = this.deadLettersOf(name)
    // Where another process made them first, that is a success.
    await boss.createQueue(deadLetter, { retentionSeconds: foreverSeconds, deleteAfterSeconds: 0 })
    await boss.createQueue(this.queueOf(name), { ...this.sendOptions(name), deadLetter })
  }
}

/** Rejects with `store_unavailable` when the answer does not come in time; what was asked may be done later all the same. */
export async function answerInTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
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
