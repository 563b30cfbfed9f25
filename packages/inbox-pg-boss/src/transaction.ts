import { ConfigurationError } from '@scrapenest-webhooks/core'
import type { Db, KnexTransactionLike, PrismaTransactionLike } from 'pg-boss'
import { supportedPgBoss } from './supported-pg-boss.ts'

/** A client of `pg` on which the user has begun a transaction. */
export interface PgClientLike {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/**
 * A transaction of the user's: a client of `pg` after `BEGIN`, a Knex or Prisma transaction, or what one of pg-boss's own
 * adapters makes of another, such as `fromDrizzle(tx, sql)`.
 */
export type TransactionLike = PgClientLike | KnexTransactionLike | PrismaTransactionLike | Db

/** @throws {ConfigurationError} `configuration_invalid`: it is no transaction that we know, or no transaction at all. */
export function toDb(transaction: TransactionLike): Db {
  const given = Object(transaction) as Partial<PgClientLike & KnexTransactionLike & PrismaTransactionLike & Db>
  if (typeof given.executeSql === 'function') return given as Db
  if (typeof given.$queryRawUnsafe === 'function') {
    if ('$transaction' in given && '$connect' in given) refuse('a Prisma client; give the tx of its $transaction')
    return supportedPgBoss().fromPrisma(given as PrismaTransactionLike)
  }
  if (typeof given.raw === 'function') {
    // Knex and its transactions are functions; only the latter say what they are.
    if (typeof transaction === 'function' && !('isTransaction' in given && given.isTransaction === true))
      refuse('Knex itself; give the trx of its transaction')
    return supportedPgBoss().fromKnex(given as KnexTransactionLike)
  }
  if (typeof given.query === 'function') {
    // Each query of a pool can go to another connection: nothing on it is in one transaction.
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
