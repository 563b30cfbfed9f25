import { pgBossInbox, type TransactionLike } from '@scrapenest-webhooks/inbox-pg-boss'
import { sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Knex } from 'knex'
import type pg from 'pg'
import { fromDrizzle, type PrismaTransactionLike } from 'pg-boss'

// Compiled, never run: what completeIn accepts and rejects.

declare const client: pg.Client
declare const poolClient: pg.PoolClient
declare const trx: Knex.Transaction
declare const tx: Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0]
/** The two methods of Prisma's transaction client that matter, as Prisma 5, 6 and 7 declare them. */
declare const prisma: {
  $queryRawUnsafe<Result = unknown>(query: string, ...values: unknown[]): Promise<Result>
  $executeRawUnsafe(query: string, ...values: unknown[]): Promise<number>
}
declare const delivery: { readonly signal: AbortSignal }

export function accepted(): readonly Promise<void>[] {
  const inbox = pgBossInbox({ connectionString: '' })
  return [
    inbox.completeIn(client, delivery),
    inbox.completeIn(poolClient, delivery),
    inbox.completeIn(trx, delivery),
    inbox.completeIn(fromDrizzle(tx, sql), delivery),
    inbox.completeIn(prisma, delivery),
  ]
}

export function refused(): readonly Promise<void>[] {
  const inbox = pgBossInbox({ connectionString: '' })
  return [
    // @ts-expect-error Drizzle's own transaction. It needs Drizzle's `sql` tag, which only the application has.
    inbox.completeIn(tx, delivery),
    // @ts-expect-error A connection string is not a transaction.
    inbox.completeIn('postgres://localhost', delivery),
    // @ts-expect-error The delivery comes second.
    inbox.completeIn(delivery, client),
  ]
}

/** Does not compile if any type here is `any`. */
export const isNotAny: 0 extends 1 & TransactionLike ? never : true = true
export const isPrismaNotAny: 0 extends 1 & PrismaTransactionLike ? never : true = true
