import { ConfigurationError, type Delivery } from '@scrapenest-webhooks/core'
import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'
import { inboxOptions, settleInboxOptions } from '@scrapenest-webhooks/inbox/engine'
import type { PgBoss } from 'pg-boss'
import { Boss } from './boss.ts'
import { BossInbox } from './boss-inbox.ts'
import { BossStore } from './boss-store.ts'
import type { TransactionLike } from './transaction.ts'

/**
 * As for every inbox. `leaseMs` under 10 seconds is 10 seconds, which is pg-boss's shortest heartbeat; `keepDoneMs` is how
 * long an event is remembered as a duplicate too.
 *
 * Web and worker processes should be given the same `maxAttempts`, `leaseMs`, `handlerTimeoutMs` and `keepDoneMs`.
 */
export interface PgBossInboxOptions extends InboxOptions {
  /** How to reach PostgreSQL: `postgres://…`. One of `connectionString` and `boss` must be given. */
  readonly connectionString?: string | undefined
  /** A PgBoss of your own, which stays yours: it is started where it is not, and never stopped. */
  readonly boss?: PgBoss | undefined
  /**
   * The schema that pg-boss lives in.
   * @default 'pgboss'
   */
  readonly schema?: string | undefined
  /**
   * What the names of the queues begin with: a receiver named `orders` has the queue `webhooks/orders`, and its dead
   * letters are copied to `webhooks/orders/dead`.
   * @default 'webhooks'
   */
  readonly queuePrefix?: string | undefined
}

export interface PgBossInbox extends Inbox {
  /**
   * Completes the event inside a transaction of the user's: what the handler wrote there and the completion are committed
   * together, or neither is. After a rollback the event is tried again.
   *
   * For the end of a handler, right before the commit: until then the transaction holds the event's row.
   *
   * @param delivery what the handler was given.
   * @throws {WebhookError} `event_in_progress`: the lease was lost, and another worker may be handling the event. Let the
   * transaction roll back.
   * @throws {ConfigurationError} `configuration_invalid`: it is no transaction, or the delivery is none of this inbox.
   *
   * @example
   * const inbox = pgBossInbox({ connectionString })
   * const onEvent = {
   *   'artifact.ready': (event, delivery) => transaction(pool, async (client) => {
   *     await client.query('INSERT INTO artifacts (job_id) VALUES ($1)', [event.data.job_id])
   *     await inbox.completeIn(client, delivery)
   *   }),
   * }
   */
  completeIn(transaction: TransactionLike, delivery: Pick<Delivery, 'signal'>): Promise<void>
}

/**
 * An inbox on pg-boss, for several machines: each event is a job in PostgreSQL, committed before its delivery is
 * acknowledged.
 *
 * Nothing is connected before it is needed. The first start makes pg-boss's schema, which needs the right to create one.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const inbox = pgBossInbox({ connectionString: process.env.DATABASE_URL })
 * const receiver = createReceiver({ secret, inbox, onEvent })
 */
export function pgBossInbox(options: PgBossInboxOptions): PgBossInbox {
  const { connectionString, boss, schema = 'pgboss', queuePrefix = 'webhooks', ...inbox } = options ?? {}
  checkKnownOptions(inbox, inboxOptions)
  if ((connectionString === undefined) === (boss === undefined) || connectionString === '') {
    throw new ConfigurationError(
      'Expected connectionString or boss, and not both, for example pgBossInbox({ connectionString: process.env.DATABASE_URL }). ' +
        'If the string comes from the environment, it is not set there.',
    )
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(schema)) {
    throw new ConfigurationError(`Expected schema to be a plain name, got ${JSON.stringify(schema)}.`)
  }
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(queuePrefix)) {
    throw new ConfigurationError(`Expected queuePrefix to be 1 to 64 letters, digits, "-", "_" or ".".`)
  }
  const settled = settleInboxOptions(inbox)
  const settings = { ...settled, leaseMs: Math.max(shortestLeaseMs, settled.leaseMs) }
  const engine = new Boss({ source: boss ?? (connectionString as string), schema, queuePrefix, settings })
  return new BossInbox(new BossStore(engine, settings), settings)
}

/** pg-boss's shortest heartbeat. */
const shortestLeaseMs = 10_000
