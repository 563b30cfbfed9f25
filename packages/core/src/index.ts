export type { Delivery } from './delivery.ts'
export type { DispatchResult } from './dispatcher.ts'
export { type ClaimResult, type DuplicateStore, type MemoryDuplicatesOptions, memoryDuplicates } from './duplicates.ts'
export {
  type AnyWebhookError,
  ConfigurationError,
  codeOf,
  isWebhookError,
  PermanentError,
  RetryLaterError,
  type RetryLaterOptions,
  type SchemaMismatchError,
  WebhookError,
  type WebhookErrorCode,
} from './errors.ts'
export {
  type AnyEvent,
  type ArtifactReadyData,
  type EventOf,
  type EventPattern,
  type EventType,
  type JobCompletedData,
  type JobCreatedData,
  type JobFailedData,
  type JobSucceededData,
  probeEventType,
  type ScrapeNestEvent,
  type ScrapeNestEvents,
  scrapeNestEventTypes,
  type WebhookEvent,
} from './events.ts'
export type { EventHandler, EventHandlers } from './handlers.ts'
export type { ErrorContext, HandlingOptions } from './handling-options.ts'
export type { WebhookHeaders } from './headers.ts'
export type { InboxAttempt, InboxConnection, InboxEvent, InboxProcessor, InboxUser } from './inbox.ts'
export type { Logger } from './logger.ts'
export { type CloseOptions, createReceiver, type Receiver } from './receiver.ts'
export type { DeliveryOutcome, ReceiverOptions, SecretResolver, SecretResult } from './receiver-options.ts'
export { type Acknowledgement, errorReply, type WebhookReply } from './reply.ts'
export type { BodyLimits, WebhookRequest } from './request.ts'
export type { Secret } from './secret.ts'
export { type SignatureHeaders, sign } from './sign.ts'
export type { SchemaResult, StandardSchema } from './standard-schema.ts'
export { type VerifiedMessage, type VerifyOptions, verify, verifyEvent, type WebhookMessage } from './verify.ts'
