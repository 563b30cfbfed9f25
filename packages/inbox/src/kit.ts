/**
 * Building blocks for inboxes. Applications import the main entry instead.
 *
 * To build an inbox on a database, implement `EventStore` and wrap it: `new StoredInbox(store, readInboxOptions(options))`.
 * `sqliteInbox`, `memoryInbox`, the pg-boss inbox and `examples/own-inbox` work this way. `EventStore` also suits a queue
 * with calls to claim, renew and complete. If the queue calls you with each event and renews its own leases, implement
 * `Inbox` with `Attempts` and `InboxConsumers` instead, as the BullMQ inbox does (`queue-worker.ts`). Either way, run the
 * `inboxChecks` from `@scrapenest-webhooks/testing` against it.
 *
 * @module
 */
export { type EventIdentity, eventKey, keyText } from '@scrapenest-webhooks/core/adapter'
export { InboxUnavailableError, isPermanent, LeaseLostError, toStoreError } from './errors.ts'
export type {
  Claim,
  ClaimedEvent,
  ClaimRequest,
  Ending,
  EventStore,
  ExpiredAttempt,
  Lease,
} from './event-store.ts'
// TypeScript needs these to name the inferred types of an engine's exports.
export type * from './index.ts'
export { type InboxSettings, inboxOptions, readInboxOptions } from './options.ts'
export { toStorableText } from './storable-text.ts'
export {
  bodyOf,
  type EventJson,
  type ExactNames,
  exactNames,
  fromEventJson,
  readEnvelope,
  toEventJson,
  withoutPayload,
} from './store/event-json.ts'
export {
  checkPurgeFilter,
  checkReplayFilter,
  fitsFilter,
  type PageRequest,
  readIdentity,
  readQuery,
  readStatsOptions,
} from './store/filters.ts'
export { StoredInbox, type StoredInboxOptions } from './store/stored-inbox.ts'
export { checkEnding } from './times.ts'
export { eventUnreadable, leaseEnded, toAttemptError } from './worker/attempt-error.ts'
export { Attempts, type AttemptsOptions, type EndedAttempt } from './worker/attempts.ts'
export { ClockWatch, jumpMessage } from './worker/clock-watch.ts'
export { CloseBudget } from './worker/close-budget.ts'
export { type ConsumerStart, type ConsumerWork, InboxConsumers } from './worker/consumers.ts'
export { type EndingOptions, endingOfExpired } from './worker/ending.ts'
export { Outage } from './worker/outage.ts'
export type { RunningAttempt } from './worker/running-attempt.ts'
