// Exports with inferred types, in an application whose only package of ours is the inbox on BullMQ.
import { type BullmqInboxOptions, bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { Queue } from 'bullmq'

export const inbox = bullmqInbox({ connection: 'redis://127.0.0.1:6379', concurrency: 4 })
export const ofQueue = bullmqInbox({ queue: new Queue('webhooks-orders') })
export const create = bullmqInbox
export const { put, list, get, stats, replay, purge, start, check, close, capabilities } = inbox
export const page = inbox.list({ state: 'dead' })
export const record = inbox.get('event')
export const counts = inbox.stats()
export const backoffOf = (options: BullmqInboxOptions) => options.backoff
export const connectionOf = (options: BullmqInboxOptions) => options.connection
