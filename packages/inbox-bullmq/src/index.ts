export { type BullmqInboxOptions, bullmqInbox } from './bullmq-inbox.ts'
