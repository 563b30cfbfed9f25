export type * from '@scrapenest-webhooks/inbox'
export { type BullmqInboxOptions, bullmqInbox } from './bullmq-inbox.ts'
