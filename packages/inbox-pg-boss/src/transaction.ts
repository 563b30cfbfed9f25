import { ConfigurationError } from '@scrapenest-webhooks/core'
import type { Db, KnexTransactionLike, PrismaTransactionLike } from 'pg-boss'
import { supportedPgBoss } from './supported-pg-boss.ts'

/** A client of `pg` on which the application has begun a transaction. */
export interface PgClientLike {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/**
 * The application's own transaction: a client of `pg` after `BEGIN`, a Knex or Prisma transaction, or the result of one of
 * pg-boss's adapters, such as `fromDrizzle(tx, sql)`.
 */
export type TransactionLike = PgClientLike | KnexTransactionLike | PrismaTransactionLike | Db

/** @throws {ConfigurationError} `configuration_invalid`: not a transaction, or not one of these. */
export function toDb(transaction: TransactionLike): Db {
  const given = Object(transaction) as Partial<PgClientLike & KnexTransactionLike & PrismaTransactionLike & Db>
  if (typeof given.executeSql === 'function') return given as Db
  if (typeof given.$queryRawUnsafe === 'function') {
    if ('$transaction' in given && '$connect' in given) refuse('a Prisma client; give the tx of its $transaction')
    return supportedPgBoss().fromPrisma(given as PrismaTransactionLike)
  }
  if (typeof given.raw === 'function') {
    // Knex and its transactions are both functions, but only transactions have `isTransaction`.
    if (typeof transaction === 'function' && !('isTransaction' in given && given.isTransaction === true))
      refuse('Knex itself; give the trx of its transaction')
    return supportedPgBoss().fromKnex(given as KnexTransactionLike)
  }
  if (typeof given.query === 'function') {
    // Each query of a pool can go to another connection, so they do not share a transaction.
    if ('totalCount' in given && 'connect' in given) refuse('a pool; give the client of pool.connect() after BEGIN')
    return { executeSql: (text, values) => (given as PgClientLike).query(text, values) }
  }
  return refuse('something else; for Drizzle give fromDrizzle(tx, sql) of pg-boss')
}

function refuse(found: string): never {
  throw new ConfigurationError(
    `Expected a transaction: a client of pg after BEGIN, or one of Knex or Prisma. Got ${found}.`,
  )
}
