import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { type ConnectionOptions, Queue, type RedisQueueBackend, type WorkerOptions } from 'bullmq'
import { isClient, queueConnection, workerConnection } from './connection.ts'
import { isDemotion, isDisconnection, unavailable } from './redis-faults.ts'
import { dropIfSilent } from './silent-connection.ts'

export interface QueuesOptions {
  readonly connection: string | ConnectionOptions
  readonly queuePrefix: string
  readonly prefix: string
}

/** How long Redis may take to store a delivery or answer a query, in milliseconds. */
const answerTimeoutMs = 800

/** How long Redis may take at start, in milliseconds. The machine may be booting, and no sender is waiting. */
const startTimeoutMs = 2500

/**
 * The queues in Redis, one per receiver, because a BullMQ worker takes every job in its queue. Created on first use, even
 * after `close`.
 */
export class Queues {
  readonly #source: QueuesOptions | Queue
  readonly #queues = new Map<string, Queue>()
  /** Names that this process has listed. */
  readonly #listed = new Set<string>()
  /** The last error of each queue's connection. Removed when Redis answers. */
  readonly #faults = new WeakMap<Queue, Error>()
  /** Resolves when the connection of a queue has been replaced. */
  readonly #replaced = new WeakMap<Queue, Promise<void>>()
  #ownName: string | undefined

  constructor(source: QueuesOptions | Queue) {
    this.#source = source
  }

  /** Whether connections are created here, and therefore closed here. */
  get ownsConnections(): boolean {
    return !('name' in this.#source) && !isClient(Object(this.#source.connection))
  }

  /** The queue of a receiver's name. */
  of(name: string): Queue {
    if ('name' in this.#source) return this.#only(name, this.#source as Queue)
    const existing = this.#queues.get(name)
    if (existing !== undefined) return existing
    const { queuePrefix, prefix } = this.#source as QueuesOptions
    const queue = new Queue(`${queuePrefix}-${name}`, { connection: queueConnection(this.#connection), prefix })
    queue.on('error', (error) => {
      // What could not be sent because the connection was lost does not say why it was lost.
      if (!isDisconnection(error) || !this.#faults.has(queue)) this.#faults.set(queue, error)
    })
    queue.waitUntilReady().catch(() => this.#forget(name, queue))
    this.#queues.set(name, queue)
    return queue
  }

  /** The queue and the connection for a worker of this name. */
  workerOptions(name: string): {
    readonly queueName: string
    readonly options: Pick<WorkerOptions, 'connection' | 'prefix'>
  } {
    if ('name' in this.#source) {
      const { name: queueName, opts } = this.of(name)
      const { connection, prefix } = opts as WorkerOptions
      return {
        queueName,
        options: { connection: workerConnection(connection), ...(prefix === undefined ? {} : { prefix }) },
      }
    }
    const { queuePrefix, prefix } = this.#source as QueuesOptions
    return { queueName: `${queuePrefix}-${name}`, options: { connection: workerConnection(this.#connection), prefix } }
  }

  /** Allows an event to be stored again, unless its key belongs to another job by now. */
  async forget(name: string, { key, jobId }: { readonly key: string; readonly jobId: string }): Promise<void> {
    await this.answer(name, async (queue) => {
      if ((await queue.getDeduplicationJobId(key)) === jobId) await queue.removeDeduplicationKey(key)
    })
  }

  /** The names with a queue, including those of other processes. */
  async names(): Promise<readonly string[]> {
    if ('name' in this.#source) return [this.#ownName ?? 'scrapenest']
    const names = await this.#ask('scrapenest', (client, key) => client.hgetall(key))
    return Object.keys(names)
  }

  /**
   * Records that a name has a queue, so other processes find it. Called for each event, because Redis may have lost the
   * record.
   *
   * @returns `'lost'` if Redis no longer had what this process had recorded.
   */
  async list(name: string): Promise<'listed' | 'lost'> {
    if ('name' in this.#source) return 'listed'
    const added = await this.#ask(name, (client, key) => client.hset(key, { [name]: this.of(name).name }))
    const isLost = added > 0 && this.#listed.has(name)
    this.#listed.add(name)
    return isLost ? 'lost' : 'listed'
  }

  /**
   * Runs a script that writes to several keys, like BullMQ's scripts, and rejects with `store_unavailable` if Redis refuses
   * it. A PING is not enough: a full Redis, a replica, or a cluster without a hash tag answers it.
   *
   * @param name a receiver that already has a queue, so the check does not create one.
   */
  async check(name: string = 'scrapenest', { isStart = false }: { readonly isStart?: boolean } = {}): Promise<void> {
    const queue = 'name' in this.#source ? this.#source : this.of(name)
    // No job can have this key: a job's id has no colon.
    const keys = [queue.toKey('scrapenest:check'), queue.toKey('wait')]
    const ask = async (): Promise<unknown> => {
      const client = await clientOf(queue)
      client.defineCommand(checkCommand, { numberOfKeys: 2, lua: "return redis.call('SET', KEYS[1], 1, 'PX', 1000)" })
      return await client.runCommand(checkCommand, keys)
    }
    await this.#answerOf(queue, ask, isStart ? startTimeoutMs : answerTimeoutMs)
  }

  /** Rejects with `store_unavailable` if Redis refuses the command by which a worker waits for events. */
  async checkWaiting(name: string): Promise<void> {
    await this.answer(name, async (queue) => {
      // This key is never set, so the command waits for 10 ms.
      await (await clientOf(queue)).bzpopmin(queue.toKey('scrapenest:none'), 0.01)
    })
  }

  /** Rejects with `store_unavailable` if Redis does not answer in time. The commands may still take effect later. */
  async answer<Answer>(name: string, ask: (queue: Queue) => Promise<Answer>): Promise<Answer> {
    const queue = this.of(name)
    return await this.#answerOf(queue, () => ask(queue), answerTimeoutMs)
  }

  async close(): Promise<void> {
    const queues = [...this.#queues.values()]
    this.#queues.clear()
    this.#listed.clear()
    await Promise.allSettled(queues.map((queue) => this.#end(queue)))
  }

  async #ask<Answer>(
    name: string,
    ask: (client: Awaited<RedisQueueBackend['client']>, key: string) => Promise<Answer>,
  ): Promise<Answer> {
    return await this.answer(name, async (queue) => {
      const { prefix, queuePrefix } = this.#source as QueuesOptions
      return await ask(await clientOf(queue), `${prefix}:${queuePrefix}:names`)
    })
  }

  /** A queue that failed to become ready never will, so the next call creates a new one. */
  #forget(name: string, queue: Queue): void {
    if (this.#queues.get(name) === queue) this.#queues.delete(name)
    void this.#end(queue)
  }

  async #end(queue: Queue): Promise<void> {
    // `close` waits for a reply, and `disconnect` for a connection. Either may never come. After a failed `close`, the
    // client keeps trying to connect for as long as the process lives.
    const inTime = async (ending: Promise<unknown>): Promise<boolean> => {
      const late = sleep(answerTimeoutMs, false, { ref: false })
      return await Promise.race([
        ending.then(
          () => true,
          () => false,
        ),
        late,
      ])
    }
    if (await inTime(queue.close())) return
    if (this.ownsConnections) await inTime(queue.disconnect())
  }

  #only(name: string, queue: Queue): Queue {
    this.#ownName ??= name
    if (this.#ownName === name) return queue
    throw new ConfigurationError(
      `This inbox has one queue, for the events of '${this.#ownName}', and cannot store those of '${name}'. ` +
        'Create an inbox with its own queue for each receiver, or one inbox with a connection instead of a queue.',
    )
  }

  get #connection(): string | ConnectionOptions {
    return (this.#source as QueuesOptions).connection
  }

  async #answerOf<Answer>(queue: Queue, ask: () => Promise<Answer>, timeoutMs: number): Promise<Answer> {
    try {
      const replaced = this.#replaced.get(queue)
      const answer = await inTime(replaced === undefined ? ask() : replaced.then(ask), timeoutMs)
      this.#faults.delete(queue)
      return answer
    } catch (error) {
      throw unavailable(this.#causeOf(queue, error))
    }
  }

  /**
   * ioredis closes the connection to a Redis that has become a replica, because a new connection may lead to the new
   * primary.
   */
  #awaitReplacement(queue: Queue, error: Error): void {
    this.#faults.set(queue, error)
    const replaced = clientOf(queue).then((client) => new Promise<void>((resolve) => client.once('ready', resolve)))
    this.#replaced.set(queue, replaced)
    void replaced.then(() => this.#replaced.delete(queue))
  }

  /** Why a queue did not answer. The connection's error is more specific than that of a command that could not be sent. */
  #causeOf(queue: Queue, error: unknown): unknown {
    if (isDemotion(error) && this.ownsConnections) this.#awaitReplacement(queue, error as Error)
    if (error === noAnswer && this.ownsConnections) void dropIfSilent(clientOf(queue))
    return error === noAnswer || isDisconnection(error) ? (this.#faults.get(queue) ?? error) : error
  }
}

const checkCommand = 'scrapenestCheck'

const noAnswer = Symbol('no answer')

/** Rejects with `noAnswer` if the answer does not arrive in time. */
async function inTime<Answer>(answer: Promise<Answer>, timeoutMs: number): Promise<Answer> {
  // One promise instead of `Promise.race`, because every delivery goes through here.
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(noAnswer), timeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** The Redis client behind a queue or a worker, from whichever library. */
export function clientOf(queue: Pick<Queue, 'getBackend'>): RedisQueueBackend['client'] {
  return (queue.getBackend() as RedisQueueBackend).client
}
