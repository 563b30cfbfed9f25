import { ConfigurationError } from '@scrapenest-webhooks/core'
import type { Db, KnexTransactionLike, PrismaTransactionLike } from 'pg-boss'
import { supportedPgBoss } from './supported-pg-boss.ts'

/** A `pg` client on which the application has begun a transaction. */
export interface PgClientLike {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/**
 * The application's transaction: a `pg` client after `BEGIN`, a Knex or Prisma transaction, or the result of one of
 * pg-boss's adapters, such as `fromDrizzle(tx, sql)`.
 */
export type TransactionLike = PgClientLike | KnexTransactionLike | PrismaTransactionLike | Db

/** @throws {ConfigurationError} `configuration_invalid`: not a supported transaction. */
export function toDb(transaction: TransactionLike): Db {
  const given = Object(transaction) as Partial<PgClientLike & KnexTransactionLike & PrismaTransactionLike & Db>
  if (typeof given.executeSql === 'function') return given as Db
  if (typeof given.$queryRawUnsafe === 'function') {
    if ('$transaction' in given && '$connect' in given) refuse('a Prisma client; pass the tx of its $transaction')
    return supportedPgBoss().fromPrisma(given as PrismaTransactionLike)
  }
  if (typeof given.raw === 'function') {
    // Knex instances and transactions are both functions, but only transactions have `isTransaction`.
    if (typeof transaction === 'function' && !('isTransaction' in given && given.isTransaction === true))
      refuse('Knex itself; pass the trx of its transaction')
    return supportedPgBoss().fromKnex(given as KnexTransactionLike)
  }
  if (typeof given.query === 'function') {
    // Each query of a pool may use a different connection, so queries do not share a transaction.
    if ('totalCount' in given && 'connect' in given) refuse('a pool; pass the client from pool.connect() after BEGIN')
    return { executeSql: (text, values) => (given as PgClientLike).query(text, values) }
  }
  return refuse('something else; for Drizzle, pass fromDrizzle(tx, sql) from pg-boss')
}

function refuse(found: string): never {
  throw new ConfigurationError(
    `Expected a transaction: a pg client after BEGIN, or a Knex or Prisma transaction. Got ${found}.`,
  )
}
