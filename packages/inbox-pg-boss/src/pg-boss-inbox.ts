import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { InboxOptions } from '@scrapenest-webhooks/inbox'
import { inboxOptions, readInboxOptions } from '@scrapenest-webhooks/inbox/kit'
import type { PgBoss } from 'pg-boss'
import { Boss } from './boss.ts'
import { BossInbox, type PgBossInbox } from './boss-inbox.ts'
import { ApplicationBoss, OwnBoss } from './boss-source.ts'
import { BossStore } from './boss-store.ts'
import { checkConnectionString, secretsIn } from './connection-string.ts'
import { checkPgBoss, supportedPgBoss } from './supported-pg-boss.ts'

/**
 * The common inbox options. A `leaseMs` below 10,000 is raised to 10,000, pg-boss's shortest heartbeat. `keepDoneMs` is also
 * how long duplicates of a done event are recognized.
 *
 * Use the same `maxAttempts`, `leaseMs`, `handlerTimeoutMs` and `keepDoneMs` in web and worker processes.
 */
export interface PgBossInboxOptions extends InboxOptions {
  /** The URL of the database: `postgres://…`. Set either `connectionString` or `boss`. */
  readonly connectionString?: string | undefined
  /**
   * Your own PgBoss, 12.35.0 or later. The inbox starts it if needed, and never stops it. Set its `query_timeout`, so that
   * connections that no longer answer are closed.
   */
  readonly boss?: PgBoss | undefined
  /**
   * The schema of pg-boss's tables.
   * @default 'pgboss'
   */
  readonly schema?: string | undefined
  /**
   * Whether to create a missing schema. Set `false` if the role may not create schemas. While the schema is missing,
   * deliveries are then answered 503. pg-boss creates its tables in the schema either way.
   * @default true
   */
  readonly createSchema?: boolean | undefined
  /**
   * Prefix of the queue names. A receiver named `orders` uses the queue `webhooks/orders`, and its dead letters are copied
   * to `webhooks/orders/dead`.
   * @default 'webhooks'
   */
  readonly queuePrefix?: string | undefined
}

const ownOptions: Readonly<Record<Exclude<keyof PgBossInboxOptions, keyof InboxOptions>, true>> = {
  boss: true,
  connectionString: true,
  createSchema: true,
  queuePrefix: true,
  schema: true,
}

/**
 * An inbox on pg-boss, for several machines. Each event is a job in PostgreSQL, committed before its delivery is
 * acknowledged.
 *
 * Connects on first use. The first start creates pg-boss's schema, so the role must be allowed to create one.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown, or the installed pg-boss
 * is not supported.
 *
 * @example
 * const inbox = pgBossInbox({ connectionString: process.env.DATABASE_URL })
 * const receiver = createReceiver({ secret, inbox, onEvent })
 */
export function pgBossInbox(options: PgBossInboxOptions): PgBossInbox {
  supportedPgBoss()
  const own = checkKnownOptions(options ?? {}, { ...inboxOptions, ...ownOptions })
  const { connectionString, boss, schema = 'pgboss', createSchema, queuePrefix = 'webhooks' } = own
  if ((connectionString === undefined) === (boss === undefined) || connectionString === '') {
    throw new ConfigurationError(
      'Expected either connectionString or boss, such as pgBossInbox({ connectionString: process.env.DATABASE_URL }). ' +
        'If it comes from an environment variable, check that the variable is set.',
    )
  }
  if (!/^(?!pg_)[a-z_][a-z0-9_]{0,49}$/i.test(schema)) {
    throw new ConfigurationError(
      `Expected schema to be 1 to 50 letters, digits or "_", not beginning with a digit or "pg_", got ${JSON.stringify(schema)}.`,
    )
  }
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(queuePrefix)) {
    throw new ConfigurationError(`Expected queuePrefix to be 1 to 64 letters, digits, "-", "_" or ".".`)
  }
  if (createSchema !== undefined && (typeof createSchema !== 'boolean' || boss !== undefined)) {
    throw new ConfigurationError(
      'Expected createSchema to be true or false. It cannot be combined with boss: set it on your PgBoss instead.',
    )
  }
  const read = readInboxOptions(own)
  const settings = { ...read, leaseMs: Math.max(shortestLeaseMs, read.leaseMs) }
  if (boss !== undefined) checkPgBoss(boss)
  else checkConnectionString(connectionString as string)
  const source =
    boss === undefined
      ? new OwnBoss({ connectionString: connectionString as string, schema, createSchema: createSchema ?? true })
      : new ApplicationBoss(boss)
  const secrets = connectionString === undefined ? [] : secretsIn(connectionString)
  return new BossInbox(new BossStore(new Boss({ source, schema, queuePrefix, secrets, settings }), settings), settings)
}

/** pg-boss's shortest heartbeat. */
const shortestLeaseMs = 10_000
