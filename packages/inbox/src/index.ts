export type * from '@scrapenest-webhooks/core'
export type { DispatchResult, InboxAttempt, InboxProcessor } from '@scrapenest-webhooks/core/adapter'
export { type Backoff, defaultDelaysMs, jitteredBackoff } from './backoff.ts'
export type {
  AttemptError,
  FinalState,
  Inbox,
  InboxAttemptRecord,
  InboxCapabilities,
  InboxFilter,
  InboxGetOptions,
  InboxPage,
  InboxQuery,
  InboxRecord,
  InboxState,
  InboxStats,
  InboxSummary,
  PurgeFilter,
  ReplayFilter,
  ReplayResult,
} from './contract.ts'
export { createWorker, type InboxWorker, type WorkerOptions } from './create-worker.ts'
export {
  DeadEventError,
  HandlerOverdueError,
  type InboxFault,
  InboxUnavailableError,
  LeaseEndedError,
  LeaseLostError,
} from './errors.ts'
export { memoryInbox } from './memory-inbox.ts'
export type { InboxOptions } from './options.ts'
export { type SqliteInboxOptions, sqliteInbox } from './sqlite-inbox.ts'
