import { ConfigurationError } from '@scrapenest-webhooks/core'
import { type ConnectionOptions, Queue, type QueueOptions } from 'bullmq'
import { isDemotion, isWrongDatabase } from './redis-faults.ts'

/** Whether the application passed a client rather than options to create one. */
export function isClient(connection: object): boolean {
  return 'duplicate' in connection && typeof connection.duplicate === 'function'
}

/** Connection options for a queue. It fails fast: the sender retries deliveries, so they need not wait in memory. */
export function queueConnection(connection: string | ConnectionOptions): ConnectionOptions {
  return connect(connection, { enableOfflineQueue: false, maxRetriesPerRequest: 1 })
}

/** Connection options for a worker. It waits for Redis indefinitely. */
export function workerConnection(connection: string | ConnectionOptions): ConnectionOptions {
  return connect(connection, { maxRetriesPerRequest: null })
}

function connect(connection: string | ConnectionOptions, fixed: object): ConnectionOptions {
  if (typeof connection !== 'string' && isClient(connection)) return connection
  const options = typeof connection === 'string' ? { url: connection } : connection
  return { retryStrategy, connectTimeout: 5000, ...options, reconnectOnError, ...fixed }
}

/** Which replies make ioredis replace its connection. */
function reconnectOnError(error: Error): boolean {
  return isDemotion(error) || isWrongDatabase(error)
}

/**
 * Milliseconds until the next connection attempt. With BullMQ's default, it could take up to 20 s to reconnect to a Redis
 * that is back.
 */
function retryStrategy(tries: number): number {
  return Math.min(1000, tries * 100)
}

/**
 * Checks BullMQ's version at run time, because npm may only warn about a mismatched peer dependency.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkVersion(): void {
  if ('getBackend' in Queue.prototype) return
  throw new ConfigurationError('The installed bullmq is older than 6.0. Update it: npm install bullmq@6.')
}

/**
 * Checks a connection before it is used. With some connections, events would be stored but never handled.
 *
 * @param options.prefix BullMQ's prefix, followed by the name of an existing queue. Either can contain a hash tag.
 * @throws {ConfigurationError} `configuration_invalid`. The message quotes no option, because any may contain a password.
 */
export function checkConnection(connection: unknown, { prefix }: { readonly prefix: string }): void {
  if (typeof connection === 'string') {
    checkUrl(connection)
    return
  }
  if (typeof connection !== 'object' || connection === null) {
    throw new ConfigurationError('Expected connection to be a redis:// URL, ioredis options, or a client.')
  }
  if (isClient(connection)) checkClient(connection, prefix)
  else checkOptions(connection)
}

/**
 * Checks the application's queue, because workers connect the same way.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkQueue(queue: Queue): void {
  if (typeof queue?.getBackend !== 'function') {
    throw new ConfigurationError(
      "Expected queue to be a Queue of BullMQ 6 or later, such as new Queue('webhooks', { connection: { url } }).",
    )
  }
  const { connection, prefix = 'bull' } = queue.opts as QueueOptions
  checkConnection(connection, { prefix: `${prefix}:${queue.name}` })
}

function checkOptions(options: object): void {
  const { url, keyPrefix, db } = options as { url?: unknown; keyPrefix?: unknown; db?: unknown }
  if (typeof url === 'string') checkUrl(url)
  checkDatabase(db)
  checkNoKeyPrefix(keyPrefix)
}

function checkClient(client: object, prefix: string): void {
  const { options, isCluster } = client as { options?: ClientOptions; isCluster?: unknown }
  const { keyPrefix, maxRetriesPerRequest } = (isCluster === true ? options?.redisOptions : options) ?? {}
  checkNoKeyPrefix(keyPrefix ?? options?.keyPrefix)
  // A cluster client keeps this option in `redisOptions`, where ioredis does not apply its default.
  if (typeof maxRetriesPerRequest === 'number') {
    throw new ConfigurationError(
      'The ioredis client gives up on a command after maxRetriesPerRequest tries, but a worker must keep waiting for ' +
        'Redis. Events would be stored but never handled. Create the client with ' +
        'new Redis(url, { maxRetriesPerRequest: null }), or pass the URL as the connection.',
    )
  }
  if (isCluster === true && !/\{[^{}]+\}/.test(prefix)) {
    throw new ConfigurationError(
      "On Redis Cluster, all keys of a queue must be on one node. Set a prefix with a hash tag, such as prefix: '{bull}'.",
    )
  }
}

/** With anything but a number, ioredis ends the process with an unhandled rejection. */
function checkDatabase(database: unknown): void {
  if (database === undefined || database === null || /^\d*$/.test(String(database))) return
  throw new ConfigurationError(
    'Expected the database of the connection to be a number, as in redis://user:password@host:6379/0.',
  )
}

interface ClientOptions {
  readonly keyPrefix?: unknown
  readonly maxRetriesPerRequest?: unknown
  readonly redisOptions?: ClientOptions
}

function checkNoKeyPrefix(keyPrefix: unknown): void {
  if (keyPrefix === undefined || keyPrefix === null || keyPrefix === '') return
  throw new ConfigurationError(
    "BullMQ does not support ioredis's keyPrefix: its scripts would use different keys. Remove it, and set the inbox's prefix option instead.",
  )
}

/** Checks a URL, `host:port` or the path of a socket, all of which ioredis accepts. */
function checkUrl(url: string): void {
  if (url.startsWith('/') && !url.startsWith('//')) return
  const parsed = parseUrl(url)
  if (parsed === undefined) {
    throw new ConfigurationError(
      'Expected connection to be a URL such as redis://user:password@host:6379. The value is not shown, because it may ' +
        'contain a password. Percent-encode special characters in the user name and the password.',
    )
  }
  checkNoKeyPrefix(parsed.searchParams.get('keyPrefix'))
  checkDatabase(parsed.pathname.slice(1))
  checkDatabase(parsed.searchParams.get('db'))
}

function parseUrl(url: string): URL | undefined {
  try {
    const isRedis = /^rediss?:\/\//i.test(url)
    if (url === '' || (!isRedis && url.includes('//'))) return undefined
    const parsed = new URL(isRedis ? url : `redis://${url}`)
    // A `/`, `?` or `#` in a password ends it early. The part before it would be taken for the host and appear in messages.
    if (parsed.hash !== '' || /@/.test(parsed.pathname + parsed.search)) return undefined
    decodeURIComponent(parsed.username + parsed.password)
    return parsed
  } catch {
    return undefined
  }
}
