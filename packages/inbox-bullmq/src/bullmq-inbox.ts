import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'
import { inboxOptions, readInboxOptions } from '@scrapenest-webhooks/inbox/kit'
import type { ConnectionOptions, Queue } from 'bullmq'
import { QueueInbox } from './queue-inbox.ts'
import { checkConnection, checkQueue, checkVersion } from './redis/connection.ts'
import { Queues } from './redis/queues.ts'

/**
 * The options of every inbox, except `now` and `pollIntervalMs`: BullMQ has its own clock, and waits for events instead of
 * polling.
 *
 * Give web and worker processes the same `maxAttempts`, `keepDoneMs` and `keepPayload`.
 */
export interface BullmqInboxOptions extends Omit<InboxOptions, 'now' | 'pollIntervalMs'> {
  /**
   * Where Redis is: a URL (`redis://…`), ioredis options, or an ioredis or node-redis client, which is not closed. An
   * ioredis client needs `maxRetriesPerRequest: null`, and none may have a `keyPrefix`. Give either `connection` or `queue`.
   */
  readonly connection?: string | ConnectionOptions | undefined
  /** A queue of your own, for the events of one receiver. It is not closed. */
  readonly queue?: Queue | undefined
  /**
   * Prefix of the queue names: a receiver named `orders` has the queue `webhooks-orders`. Not with `queue`.
   * @default 'webhooks'
   */
  readonly queuePrefix?: string | undefined
  /**
   * BullMQ's prefix of all Redis keys. On Redis Cluster it needs a hash tag: `'{bull}'`. Not with `queue`.
   * @default 'bull'
   */
  readonly prefix?: string | undefined
  /**
   * How long duplicates of an event are recognized, in milliseconds, even after the event is deleted (`keepDoneMs`).
   * @default 604800000 (7 days), or `keepDoneMs` if that is longer: ScrapeNest retries for up to 3 days
   */
  readonly rememberMs?: number | undefined
}

const week = 604_800_000

/**
 * An inbox on BullMQ, for several machines: each event is a job in Redis, and dead ones are in the queue's failed set.
 *
 * It is as durable as Redis: with `appendonly yes` and `appendfsync everysec` (the default), a crash of the Redis machine
 * can lose the last second of acknowledged events; with `appendfsync always` it loses none. If Redis is configured to lose
 * more than that, the inbox reports it to your logger and `onError` at start.
 *
 * Connects when first needed.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const receiver = createReceiver({ secret, inbox: bullmqInbox({ connection: process.env.REDIS_URL }), onEvent })
 */
export function bullmqInbox(options: BullmqInboxOptions): Inbox {
  const { now: _now, pollIntervalMs: _pollIntervalMs, ...known } = inboxOptions
  checkKnownOptions(options ?? {}, { ...known, ...ownOptions })
  const { connection, queue, queuePrefix = 'webhooks', prefix = 'bull', rememberMs } = options ?? {}
  if ((connection === undefined) === (queue === undefined)) {
    throw new ConfigurationError(
      'Expected either connection or queue, for example bullmqInbox({ connection: process.env.REDIS_URL }). ' +
        'If it comes from the environment, the variable is not set.',
    )
  }
  if (queue !== undefined && (options.queuePrefix ?? options.prefix) !== undefined) {
    throw new ConfigurationError(
      'queuePrefix and prefix cannot be combined with queue, which has its own name and prefix.',
    )
  }
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(queuePrefix)) {
    throw new ConfigurationError(
      `Expected queuePrefix to be 1 to 64 letters, digits, "-" or "_", got ${JSON.stringify(queuePrefix)}.`,
    )
  }
  checkVersion()
  if (queue === undefined) checkConnection(connection, { prefix })
  else checkQueue(queue)
  const settings = readInboxOptions(options)
  const remembered = checkWholeNumber('rememberMs', rememberMs ?? Math.max(week, settings.keepDoneMs), { min: 1000 })
  const queues = new Queues(queue ?? { connection: connection as string | ConnectionOptions, queuePrefix, prefix })
  return new QueueInbox(queues, { ...settings, rememberMs: remembered })
}

const ownOptions = { connection: true, prefix: true, queue: true, queuePrefix: true, rememberMs: true } as const
