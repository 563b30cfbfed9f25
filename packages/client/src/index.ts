export type { ArtifactUrl } from './api/artifact-url.ts'
export type { CallOptions } from './api/connection.ts'
export type * from './api/job-request.ts'
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
export * from './errors.ts'
