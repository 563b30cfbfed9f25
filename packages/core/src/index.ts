export {
  type Acknowledgement,
  type AnyWebhookError,
  ConfigurationError,
  isWebhookError,
  PermanentError,
  type ReportCode,
  RetryLaterError,
  type RetryLaterOptions,
  SchemaMismatchError,
  WebhookError,
  type WebhookErrorCode,
  type WebhookErrorFacts,
} from './errors.ts'
export {
  type AnyEvent,
  type ArtifactReadyData,
  type EventOf,
  type EventPattern,
  type EventSchemas,
  type EventType,
  type JobCompletedData,
  type JobCreatedData,
  type JobFailedData,
  type JobSucceededData,
  probeEventType,
  type SchemaOutputs,
  type SchemaResult,
  type ScrapeNestEvent,
  type ScrapeNestEvents,
  type StandardSchema,
  scrapeNestEventTypes,
  type UnknownEvent,
  type UnlistedEventType,
  type WebhookEvent,
} from './events.ts'
export type { Delivery } from './handle/delivery.ts'
export {
  type ClaimResult,
  type DuplicateStore,
  type MemoryDuplicatesOptions,
  memoryDuplicates,
} from './handle/duplicates.ts'
export type { EventHandler, EventHandlers } from './handle/handlers.ts'
export type { InboxAttempt, InboxConnection, InboxConsumer, InboxEvent, InboxProcessor } from './handle/inbox.ts'
export type { HandlingOptions } from './handle/options.ts'
export type { ReceiverOptions } from './receive/options.ts'
export { type CloseOptions, createReceiver, type Receiver } from './receive/receiver.ts'
export type { WebhookReply } from './receive/reply.ts'
export type { BodyLimits, WebhookRequest } from './receive/request.ts'
export type { ScopedSecret, SecretOption, SecretResolver } from './receive/request-secrets.ts'
export type { ReadyReceiver, WithReceiver } from './receive/resolve-receiver.ts'
export type { Logger } from './report/log.ts'
export type { AttemptFacts, DeliveryOutcome, ErrorContext, EventIds } from './report/reporter.ts'
export type { WebhookHeaders } from './verify/headers.ts'
export { type RotatingSecret, type RotatingSecretOptions, rotatingSecret } from './verify/rotating-secret.ts'
export { generateSecret, type Secret, type SecretResult } from './verify/secret.ts'
export { type SignatureHeaders, sign } from './verify/sign.ts'
export { type VerifiedMessage, type VerifyOptions, verify, verifyEvent, type WebhookMessage } from './verify/verify.ts'
