export type * from '@scrapenest-webhooks/inbox'
export { type PgBossInbox, type PgBossInboxOptions, pgBossInbox } from './pg-boss-inbox.ts'
export type { PgClientLike, TransactionLike } from './transaction.ts'
