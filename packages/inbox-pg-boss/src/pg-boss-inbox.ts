import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { InboxOptions } from '@scrapenest-webhooks/inbox'
import { inboxOptions, readInboxOptions } from '@scrapenest-webhooks/inbox/kit'
import type { PgBoss } from 'pg-boss'
import { Boss } from './boss.ts'
import { BossInbox, type PgBossInbox } from './boss-inbox.ts'
import { BossStore } from './boss-store.ts'

/**
 * The options of every inbox. A `leaseMs` below 10,000 counts as 10,000, pg-boss's shortest heartbeat; `keepDoneMs` is
 * also how long duplicates of a done event are recognized.
 *
 * Give web and worker processes the same `maxAttempts`, `leaseMs`, `handlerTimeoutMs` and `keepDoneMs`.
 */
export interface PgBossInboxOptions extends InboxOptions {
  /** Where PostgreSQL is: `postgres://…`. Give either `connectionString` or `boss`. */
  readonly connectionString?: string | undefined
  /** A PgBoss of your own. The inbox starts it if needed, and never stops it. */
  readonly boss?: PgBoss | undefined
  /**
   * The schema of pg-boss's tables.
   * @default 'pgboss'
   */
  readonly schema?: string | undefined
  /**
   * Prefix of the queue names: a receiver named `orders` has the queue `webhooks/orders`, and its dead
   * letters are copied to `webhooks/orders/dead`.
   * @default 'webhooks'
   */
  readonly queuePrefix?: string | undefined
}

/**
 * An inbox on pg-boss, for several machines: each event is a job in PostgreSQL, committed before its delivery is
 * acknowledged.
 *
 * Connects when first needed. The first start creates pg-boss's schema, which takes the right to create one.
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
      'Expected either connectionString or boss, for example pgBossInbox({ connectionString: process.env.DATABASE_URL }). ' +
        'If it comes from the environment, the variable is not set.',
    )
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(schema)) {
    throw new ConfigurationError(`Expected schema to be a plain name, got ${JSON.stringify(schema)}.`)
  }
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(queuePrefix)) {
    throw new ConfigurationError(`Expected queuePrefix to be 1 to 64 letters, digits, "-", "_" or ".".`)
  }
  const read = readInboxOptions(inbox)
  const settings = { ...read, leaseMs: Math.max(shortestLeaseMs, read.leaseMs) }
  const engine = new Boss({ source: boss ?? (connectionString as string), schema, queuePrefix, settings })
  return new BossInbox(new BossStore(engine, settings), settings)
}

/** pg-boss's shortest heartbeat. */
const shortestLeaseMs = 10_000
