/**
 * For whoever builds an inbox on a queue of another maker: how attempts run, end and are told, so that every inbox does
 * it alike. `sqliteInbox` needs none of it from here; the inboxes for BullMQ and pg-boss are made of it. An inbox on a store
 * of one's own is a `StoredInbox` over an `EventStore`.
 */
export { leaseEnded } from './attempt-error.ts'
export { CloseBudget } from './close-budget.ts'
export { endingOfExpired } from './ending.ts'
export { type EndedAttempt, EngineAttempts, type EngineAttemptsOptions } from './engine-attempts.ts'
export { checkPageQuery, checkPurgeFilter, checkReplayFilter, fitsFilter } from './engine-parts.ts'
export { readEnvelope } from './envelope.ts'
export type {
  Claim,
  ClaimedEvent,
  ClaimRequest,
  Ending,
  EventStore,
  ExpiredAttempt,
  Lease,
} from './event-store.ts'
export { type ConsumerStart, type ConsumerWork, InboxConsumers } from './inbox-consumers.ts'
export { type InboxSettings, inboxOptions, settleInboxOptions } from './inbox-options.ts'
export type * from './index.ts'
export { StoredInbox } from './stored-inbox.ts'
export { WorkLoop } from './work-loop.ts'
