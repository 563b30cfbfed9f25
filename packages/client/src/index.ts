export type { ArtifactEvent, ArtifactSource } from './artifact-locator.ts'
export type {
  Artifacts,
  ArtifactUrl,
  DownloadDefaults,
  DownloadedFile,
  DownloadOptions,
  DownloadProgress,
  ReadOptions,
} from './artifacts.ts'
export { type ClientOptions, ScrapeNestClient } from './client.ts'
export * from './errors.ts'
export type * from './job-request.ts'
export type {
  Artifact,
  CallOptions,
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
} from './jobs.ts'
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
} from './webhook-endpoints.ts'
