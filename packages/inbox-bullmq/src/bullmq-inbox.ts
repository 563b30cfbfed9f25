import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'
import { inboxOptions, settleInboxOptions } from '@scrapenest-webhooks/inbox/engine'
import type { ConnectionOptions, Queue } from 'bullmq'
import { QueueInbox } from './queue-inbox.ts'
import { Queues } from './queues.ts'

/**
 * As for every inbox, without what the engine decides by itself: it has its own clock, and it waits for events instead of
 * looking for them.
 *
 * Web and worker processes should be given the same `maxAttempts`, `keepDoneMs` and `keepPayload`.
 */
export interface BullmqInboxOptions extends Omit<InboxOptions, 'now' | 'pollIntervalMs'> {
  /**
   * How to reach Redis: a URL (`redis://…`), ioredis' options, or a client of ioredis or node-redis that stays yours.
   * One of `connection` and `queue` must be given.
   */
  readonly connection?: string | ConnectionOptions | undefined
  /** A queue of your own, for the events of one receiver. It stays yours: it is not closed. */
  readonly queue?: Queue | undefined
  /**
   * What the names of the queues begin with: a receiver named `orders` has the queue `webhooks-orders`. Not with `queue`.
   * @default 'webhooks'
   */
  readonly queuePrefix?: string | undefined
  /**
   * BullMQ's prefix of all keys in Redis. Not with `queue`, which has its own.
   * @default 'bull'
   */
  readonly prefix?: string | undefined
  /**
   * How long an event is recognised as a duplicate, in milliseconds, also when it is no longer kept (`keepDoneMs`).
   * @default 604800000 (7 days), or `keepDoneMs` where that is longer: ScrapeNest sends again for up to 3 days
   */
  readonly rememberMs?: number | undefined
}

const week = 604_800_000

/**
 * An inbox on BullMQ, for several machines: each event is a job in Redis, each dead one is in the queue's failed set.
 *
 * It is as durable as the Redis is: with `appendonly yes` and `appendfsync everysec` (Redis' own default for it), a crash
 * of the Redis machine can lose the last second of acknowledged events; with `appendfsync always` it loses none. At the
 * start it tells your logger when Redis is set to lose more than that.
 *
 * Nothing is connected before it is needed.
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
      'Expected connection or queue, and not both, for example bullmqInbox({ connection: process.env.REDIS_URL }). ' +
        'If the URL comes from the environment, it is not set there.',
    )
  }
  if (queue !== undefined && (options.queuePrefix ?? options.prefix) !== undefined) {
    throw new ConfigurationError('queuePrefix and prefix are not for a queue of your own: it has its name and prefix.')
  }
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(queuePrefix)) {
    throw new ConfigurationError(
      `Expected queuePrefix to be 1 to 64 letters, digits, "-" or "_", got ${JSON.stringify(queuePrefix)}.`,
    )
  }
  const settings = settleInboxOptions(options)
  const remembered = rememberMs ?? Math.max(week, settings.keepDoneMs)
  if (!Number.isInteger(remembered) || remembered < 1000) {
    throw new ConfigurationError(`Expected rememberMs to be a whole number of at least 1000, got ${remembered}.`)
  }
  const queues = new Queues(queue ?? { connection: connection as string | ConnectionOptions, queuePrefix, prefix })
  return new QueueInbox(queues, { ...settings, rememberMs: remembered })
}

const ownOptions = { connection: true, prefix: true, queue: true, queuePrefix: true, rememberMs: true } as const
