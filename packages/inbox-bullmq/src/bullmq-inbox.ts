import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'
import { inboxOptions, readInboxOptions } from '@scrapenest-webhooks/inbox/kit'
import type { ConnectionOptions, Queue } from 'bullmq'
import { QueueInbox } from './queue-inbox.ts'
import { checkConnection, checkQueue, checkVersion } from './redis/connection.ts'
import { Queues } from './redis/queues.ts'

/**
 * The common inbox options, except `now` and `pollIntervalMs`: BullMQ uses its own clock, and waits for events instead of
 * polling.
 *
 * Use the same `maxAttempts`, `keepDoneMs` and `keepPayload` in web and worker processes.
 */
export interface BullmqInboxOptions extends Omit<InboxOptions, 'now' | 'pollIntervalMs'> {
  /**
   * The Redis connection: a URL (`redis://…`), ioredis options, or an ioredis or node-redis client, which the inbox does not
   * close. An ioredis client needs `maxRetriesPerRequest: null`. `keyPrefix` is not supported. Set either `connection` or
   * `queue`.
   */
  readonly connection?: string | ConnectionOptions | undefined
  /** An existing queue for the events of one receiver, which the inbox does not close. */
  readonly queue?: Queue | undefined
  /**
   * Prefix of the queue names. A receiver named `orders` uses the queue `webhooks-orders`. Cannot be combined with `queue`.
   * @default 'webhooks'
   */
  readonly queuePrefix?: string | undefined
  /**
   * BullMQ's prefix for all Redis keys. Redis Cluster requires a hash tag: `'{bull}'`. Cannot be combined with `queue`.
   * @default 'bull'
   */
  readonly prefix?: string | undefined
  /**
   * How long duplicates of an event are recognized, in milliseconds, even after the event is deleted (`keepDoneMs`).
   * @default 604800000 (7 days), or `keepDoneMs` if longer. ScrapeNest retries for up to 3 days
   */
  readonly rememberMs?: number | undefined
}

const week = 604_800_000

/**
 * An inbox on BullMQ, for several machines. Each event is a job in Redis, and dead events are in the queue's failed set.
 *
 * It is as durable as Redis. With `appendonly yes` and `appendfsync everysec` (the default), a crash of the Redis machine
 * can lose the last second of acknowledged events. With `appendfsync always` it loses none. If Redis is configured to lose
 * more, the inbox reports that to your logger and `onError` at start.
 *
 * Connects on first use.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const receiver = createReceiver({ secret, inbox: bullmqInbox({ connection: process.env.REDIS_URL }), onEvent })
 */
export function bullmqInbox(options: BullmqInboxOptions): Inbox {
  const { now: _now, pollIntervalMs: _pollIntervalMs, ...known } = inboxOptions
  const own = checkKnownOptions(options ?? {}, { ...known, ...ownOptions })
  const { connection, queue, queuePrefix = 'webhooks', prefix = 'bull', rememberMs } = own
  if ((connection === undefined) === (queue === undefined)) {
    throw new ConfigurationError(
      'Expected either connection or queue, such as bullmqInbox({ connection: process.env.REDIS_URL }). ' +
        'If it comes from an environment variable, check that the variable is set.',
    )
  }
  if (queue !== undefined && (own.queuePrefix ?? own.prefix) !== undefined) {
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
  const settings = readInboxOptions(own)
  const remembered = checkWholeNumber('rememberMs', rememberMs ?? Math.max(week, settings.keepDoneMs), { min: 1000 })
  const queues = new Queues(queue ?? { connection: connection as string | ConnectionOptions, queuePrefix, prefix })
  return new QueueInbox(queues, { ...settings, rememberMs: remembered })
}

const ownOptions = { connection: true, prefix: true, queue: true, queuePrefix: true, rememberMs: true } as const
