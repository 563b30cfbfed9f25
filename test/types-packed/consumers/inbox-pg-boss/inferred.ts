// Exports with inferred types, in an application whose only package of ours is the inbox on pg-boss.
import { type PgBossInboxOptions, pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { PgBoss } from 'pg-boss'

export const inbox = pgBossInbox({ connectionString: 'postgres://127.0.0.1/webhooks', concurrency: 4 })
export const ofBoss = pgBossInbox({ boss: new PgBoss('postgres://127.0.0.1/webhooks') })
export const create = pgBossInbox
export const { put, list, get, stats, replay, purge, start, check, close, capabilities, completeIn } = inbox
export const page = inbox.list({ state: 'dead' })
export const record = inbox.get('event')
export const counts = inbox.stats()
export const transactionOf = (...[transaction]: Parameters<typeof completeIn>) => transaction
export const deliveryOf = (...[, delivery]: Parameters<typeof completeIn>) => delivery
export const backoffOf = (options: PgBossInboxOptions) => options.backoff
