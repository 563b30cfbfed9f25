import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { type ConnectionOptions, Queue, type RedisQueueBackend, type WorkerOptions } from 'bullmq'
import { unavailable } from './redis-faults.ts'

export interface QueuesOptions {
  readonly connection: string | ConnectionOptions
  readonly queuePrefix: string
  readonly prefix: string
}

/** How long Redis may take to answer a delivery or a question, in milliseconds. */
const answerTimeoutMs = 800

/**
 * The queues in Redis, one for each receiver's name: a worker of BullMQ takes every job of its queue, so names that share
 * a store need one each. Made when they are first needed, also after `close`.
 */
export class Queues {
  readonly #source: QueuesOptions | Queue
  readonly #queues = new Map<string, Queue>()
  /** Names whose queue is known to be listed. */
  readonly #listed = new Set<string>()
  #ownName: string | undefined

  constructor(source: QueuesOptions | Queue) {
    this.#source = source
  }

  /** Whether connections are made here, and so may be ended here. */
  get ownsConnections(): boolean {
    return !('name' in this.#source) && !isClient(Object(this.#source.connection))
  }

  /** The queue of a receiver's name. */
  of(name: string): Queue {
    if ('name' in this.#source) return this.#only(name, this.#source as Queue)
    const existing = this.#queues.get(name)
    if (existing !== undefined) return existing
    const { queuePrefix, prefix } = this.#source as QueuesOptions
    const queue = new Queue(`${queuePrefix}-${name}`, { connection: this.#connection(failingFast), prefix })
    // Without a listener an error of the connection would end the process; whoever waits for an answer gets one.
    queue.on('error', () => {})
    queue.waitUntilReady().catch(() => this.#forget(name, queue))
    this.#queues.set(name, queue)
    return queue
  }

  /** What a worker on the queue of this name is made with. */
  workerOptions(name: string): {
    readonly queueName: string
    readonly options: Pick<WorkerOptions, 'connection' | 'prefix'>
  } {
    if ('name' in this.#source) {
      const { name: queueName, opts } = this.of(name)
      const { connection, prefix } = opts as WorkerOptions
      return { queueName, options: { connection, ...(prefix === undefined ? {} : { prefix }) } }
    }
    const { queuePrefix, prefix } = this.#source as QueuesOptions
    return { queueName: `${queuePrefix}-${name}`, options: { connection: this.#connection({}), prefix } }
  }

  /** The names that have a queue, those of other processes included. */
  async names(): Promise<readonly string[]> {
    if ('name' in this.#source) return [this.#ownName ?? 'scrapenest']
    const names = await this.#ask('scrapenest', (client, key) => client.hgetall(key))
    return Object.keys(names)
  }

  isListed(name: string): boolean {
    return this.#listed.has(name) || 'name' in this.#source
  }

  /** Writes down that a name has a queue, so that other processes find it. */
  async list(name: string): Promise<void> {
    if (this.isListed(name)) return
    await this.#ask(name, (client, key) => client.hset(key, { [name]: this.of(name).name }))
    this.#listed.add(name)
  }

  /**
   * Rejects with `store_unavailable` when Redis takes no writes: one that is full, or a replica, answers a PING all the same.
   *
   * @param name a receiver that has a queue, so that none is made for this.
   */
  async check(name: string = 'scrapenest'): Promise<void> {
    const queue = 'name' in this.#source ? this.#source : this.of(name)
    // No job can have this key: a job's id has no colon.
    const key = queue.toKey('scrapenest:check')
    await answering(async () => await (await clientOf(queue)).set(key, 1, { PX: 1000 }))
  }

  /** Rejects with `store_unavailable` when Redis does not answer in time; what was asked may be done later all the same. */
  async answer<Answer>(name: string, ask: (queue: Queue) => Promise<Answer>): Promise<Answer> {
    const queue = this.of(name)
    return await answering(() => ask(queue))
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

  /** A queue that never became ready stays so; the next call makes another. */
  #forget(name: string, queue: Queue): void {
    if (this.#queues.get(name) === queue) this.#queues.delete(name)
    void this.#end(queue)
  }

  async #end(queue: Queue): Promise<void> {
    // `close` waits for a reply, and `disconnect` for a connection; without one there may be neither. A `close` that fails
    // leaves a client that tries to connect for as long as the process lives.
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
      `This inbox has one queue, for the events of '${this.#ownName}', and was asked for '${name}'. ` +
        'Give each receiver an inbox with its own queue, or give one inbox a connection instead.',
    )
  }

  #connection(options: object): ConnectionOptions {
    const { connection } = this.#source as QueuesOptions
    if (typeof connection === 'string') return { url: connection, retryStrategy, ...options }
    return isClient(connection) ? connection : { retryStrategy, ...connection, ...options }
  }
}

/** Asks Redis; what it throws, and an answer that does not come in time, become the inbox's own failure. */
async function answering<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  // One promise and no race: every delivery comes through here.
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(unavailable(undefined)), answerTimeoutMs)
    ask().then(
      (answer) => {
        clearTimeout(timer)
        resolve(answer)
      },
      (error) => {
        clearTimeout(timer)
        reject(unavailable(error))
      },
    )
  })
}

/** A delivery has a sender that comes again: it is better told at once than kept waiting in this process's memory. */
const failingFast = { enableOfflineQueue: false, maxRetriesPerRequest: 1 }

/** Milliseconds until the next try to connect. BullMQ's own goes up to 20 s: so long a recovered Redis would be left alone. */
function retryStrategy(tries: number): number {
  return Math.min(1000, tries * 100)
}

/** The client of Redis behind a queue, whatever library it is of. */
export function clientOf(queue: Queue): RedisQueueBackend['client'] {
  return (queue.getBackend() as RedisQueueBackend).client
}

function isClient(connection: object): boolean {
  return 'duplicate' in connection && typeof connection.duplicate === 'function'
}
