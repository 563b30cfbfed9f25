export type { ArtifactUrl, ArtifactUrlOptions } from './api/artifact-url.ts'
export type { CallOptions } from './api/connection.ts'
export type {
  AnyJobRequest,
  ArtifactOptions,
  BrowserJobRequest,
  ExtractionHook,
  HttpMethod,
  JobAction,
  JobRequest,
  JobType,
  LightJobRequest,
  StandardJobRequest,
  StealthJobRequest,
  WaitUntil,
} from './api/job-request.ts'
export type {
  Artifact,
  Job,
  JobCounts,
  JobFilter,
  JobManifest,
  JobPage,
  JobStats,
  JobSummary,
  Jobs,
  SubmittedJob,
  WaitOptions,
} from './api/jobs.ts'
export type {
  CreatedWebhookEndpoint,
  CursorOptions,
  CursorPage,
  RotatedSecret,
  WebhookAttempt,
  WebhookEndpoint,
  WebhookEndpointSettings,
  WebhookEndpointStatus,
  WebhookEndpoints,
  WebhookMessageRecord,
} from './api/webhook-endpoints.ts'
export { type ClientOptions, ScrapeNestClient } from './client.ts'
export type { ArtifactEvent, ArtifactSource } from './download/artifact-locator.ts'
export type {
  Artifacts,
  DownloadDefaults,
  DownloadedFile,
  DownloadOptions,
  ReadOptions,
} from './download/artifacts.ts'
export type { DownloadProgress } from './download/download.ts'
export {
  type AnyScrapeNestError,
  type ErrorResponseCode,
  type ErrorResponseFacts,
  isScrapeNestError,
  ScrapeNestError,
  type ScrapeNestErrorCode,
  type ScrapeNestErrorFacts,
  type ScrapeNestErrorOptions,
} from './errors.ts'
