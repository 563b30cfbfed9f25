export type * from '@scrapenest-webhooks/inbox'
export type { PgBossInbox } from './boss-inbox.ts'
export { type PgBossInboxOptions, pgBossInbox } from './pg-boss-inbox.ts'
export type { PgClientLike, TransactionLike } from './transaction.ts'
