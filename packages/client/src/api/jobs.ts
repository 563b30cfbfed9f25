import { randomUUID } from 'node:crypto'
import { checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { ScrapeNestError } from '../errors.ts'
import { withDeadline } from '../request/deadline.ts'
import { pause } from '../request/pause.ts'
import type { ApiCall, ApiConnection, CallOptions } from './connection.ts'
import type { JobRequest, JobType } from './job-request.ts'
import { path } from './path.ts'
import { type ApiResponse, expectFields, parseJson } from './response.ts'

/** A submitted job. */
export interface SubmittedJob {
  readonly job_id: string
  readonly status: string
  readonly created_at: string
  readonly artifact_ids?: readonly string[]
  /** Whether the token belongs to a job that already existed. */
  readonly idempotent_replay: boolean
}

export interface JobSummary {
  readonly job_id: string
  /** `queued`, `running`, `succeeded` or `failed`. The last two are final. */
  readonly status: string
  readonly target_url: string
  readonly created_at: string
  readonly job_type?: string
  /** `success`, `blocked` or `failed`. A scrape that its target refuses is `blocked`, with `status: 'succeeded'`. */
  readonly outcome?: string | null
  readonly block?: { readonly blocked: boolean; readonly signal?: string; readonly http_status?: number } | null
  readonly tags?: readonly string[]
  readonly updated_at?: string | null
  readonly completed_at?: string | null
}

export interface Job extends JobSummary {
  readonly failure_reason?: string | null
  readonly artifact_ids?: readonly string[]
  readonly artifacts: readonly Artifact[]
}

export interface Artifact {
  readonly artifact_id: string
  /** For example `html`, `screenshot` or `har`. The list is open. */
  readonly artifact_type: string
  readonly byte_size?: number
  /** The SHA-256 of the bytes. */
  readonly content_hash?: string | null
  readonly created_at?: string | null
  /** A credential: anyone who has it can download the artifact. Present if `include_download_urls` is set. */
  readonly download_url?: string | null
  readonly expires_at?: string | null
}

export interface JobPage {
  readonly items: readonly JobSummary[]
  readonly total: number
  readonly limit: number
  readonly offset: number
}

export interface JobStats {
  readonly from: string
  readonly to: string
  readonly bucket_seconds: number
  readonly buckets: readonly (JobCounts & { readonly start: string })[]
  readonly totals: JobCounts & { readonly success_rate?: number | null; readonly avg_duration_seconds?: number | null }
}

export interface JobCounts {
  readonly total: number
  readonly succeeded: number
  readonly failed: number
  readonly running: number
  readonly queued: number
}

/** The full result of a job: its parsed `manifest` artifact. */
export interface JobManifest {
  readonly manifest_version: string
  readonly job_id: string
  readonly engine: string
  readonly target_url: string
  readonly final_url?: string | null
  readonly status: string
  readonly outcome: string
  readonly block?: JobSummary['block']
  readonly response?: {
    readonly http_status: number | null
    readonly headers?: Readonly<Record<string, string>>
  } | null
  readonly timing?: {
    readonly started_at?: string
    readonly finished_at?: string
    readonly duration_ms?: number
  } | null
  readonly credits?: { readonly weight: number; readonly charged: boolean; readonly amount: number } | null
  readonly artifacts: readonly Artifact[]
  readonly [field: string]: unknown
}

export interface JobFilter {
  readonly status?: string | undefined
  readonly job_type?: JobType | undefined
  readonly job_id?: string | undefined
  readonly target_url?: string | undefined
  readonly tag?: string | undefined
  /** ISO 8601. */
  readonly from?: string | undefined
  /** ISO 8601. */
  readonly to?: string | undefined
}

export interface WaitOptions extends CallOptions {
  /**
   * How long to wait for the job to end, in milliseconds. Includes all requests of the call and their retries, and for
   * `scrape` the submission. When the time is up, the call rejects with `job_timeout`, and the job keeps running.
   * @default 30000
   */
  readonly timeoutMs?: number | undefined
  /** The first pause between two requests, in milliseconds. Each pause is 1.5 times the last, up to 5 s. @default 1000 */
  readonly pollMs?: number | undefined
  /** Whether to return a failed job instead of throwing `job_failed`. @default false */
  readonly returnFailed?: boolean | undefined
}

/** WaitOptions with defaults applied. */
interface WaitSettings {
  readonly timeoutMs: number
  readonly pollMs: number
  readonly returnFailed: boolean
}

const maxPollMs = 5_000

/** `client.jobs`: submit, get, list, wait. */
export class Jobs {
  readonly #connection: ApiConnection
  readonly #readArtifact: (artifactId: string, options: CallOptions) => Promise<Uint8Array>

  constructor(
    connection: ApiConnection,
    readArtifact: (artifactId: string, options: CallOptions) => Promise<Uint8Array>,
  ) {
    this.#connection = connection
    this.#readArtifact = readArtifact
  }

  /**
   * Submits a job without waiting for it. Retries cannot submit it twice (see `idempotency_token`).
   *
   * @throws {ScrapeNestError} a code for the status, `connection_failed`, `request_timeout` or `response_invalid`.
   */
  async create(request: JobRequest, { signal }: CallOptions = {}): Promise<SubmittedJob> {
    const json = { ...request, idempotency_token: request.idempotency_token ?? randomUUID() }
    const response = await this.#connection.send({ method: 'POST', path: '/v1/jobs', json, idempotent: true, signal })
    const job = expectFields<SubmittedJob>(response, ['job_id'])
    // 200 means that the token was used before: by an earlier call, or by an attempt of this call whose response was lost.
    return { ...job, idempotent_replay: response.status === 200 }
  }

  async get(
    jobId: string,
    options: CallOptions & {
      readonly include_download_urls?: boolean | undefined
      readonly ttl_seconds?: number | undefined
    } = {},
  ): Promise<Job> {
    const { signal, ...query } = options
    const response = await this.#get(path`/v1/jobs/${jobId}`, { query, signal })
    const job = expectFields<Job>(response, ['job_id', 'status'])
    return { ...job, artifacts: (job.artifacts ?? []).map(readArtifactFields) }
  }

  /** Returns one page of jobs. */
  async list(
    options: JobFilter &
      CallOptions & { readonly limit?: number | undefined; readonly offset?: number | undefined } = {},
  ): Promise<JobPage> {
    const { signal, ...query } = options
    return expectFields<JobPage>(await this.#get('/v1/jobs', { query, signal }), ['items', 'total'])
  }

  /** Iterates over all matching jobs, page by page. */
  async *iter(
    options: JobFilter & CallOptions & { readonly pageSize?: number | undefined } = {},
  ): AsyncGenerator<JobSummary, void, void> {
    const { pageSize = 50, ...filter } = options
    for (let offset = 0; ; ) {
      const page = await this.list({ ...filter, limit: pageSize, offset })
      yield* page.items
      offset += page.items.length
      if (page.items.length === 0 || offset >= page.total) return
    }
  }

  /** Returns job counts per hour. */
  async stats(options: Pick<JobFilter, 'from' | 'to' | 'job_type'> & CallOptions = {}): Promise<JobStats> {
    const { signal, ...query } = options
    return expectFields<JobStats>(await this.#get('/v1/jobs/stats', { query, signal }), ['buckets', 'totals'])
  }

  /**
   * Polls the job until it has ended. A webhook does the same without polling.
   *
   * @throws {ScrapeNestError} `job_failed`, `job_timeout`, or any error of `get`.
   * @throws {ConfigurationError} `configuration_invalid`: `timeoutMs` or `pollMs` is out of range.
   */
  async wait(jobId: string, options: WaitOptions = {}): Promise<Job> {
    const { timeoutMs, pollMs, returnFailed } = checkWaitOptions(options)
    const timedOut = () => jobTimedOut(jobId, timeoutMs)
    return withDeadline({ timeoutMs, signal: options.signal, timedOut }, async (signal) => {
      for (let pauseMs = pollMs; ; pauseMs = Math.min(pauseMs * 1.5, maxPollMs)) {
        const job = await this.get(jobId, { signal })
        if (job.status === 'succeeded' || (job.status === 'failed' && returnFailed)) return job
        if (job.status === 'failed') throw jobFailed(jobId, job.failure_reason ?? undefined)
        await pause(pauseMs, signal)
      }
    })
  }

  /** Downloads the job's manifest: outcome, credits, the target's response. `undefined` if there is none yet. */
  async getManifest(jobId: string, options: CallOptions = {}): Promise<JobManifest | undefined> {
    const job = await this.get(jobId, options)
    const manifest = job.artifacts.find(({ artifact_type }) => artifact_type === 'manifest')
    if (manifest === undefined) return undefined
    const bytes = await this.#readArtifact(manifest.artifact_id, options)
    return parseJson(bytes, `the download of the manifest of job ${jobId}`) as JobManifest
  }

  #get(path: string, { query, signal }: CallOptions & { query: NonNullable<ApiCall['query']> }): Promise<ApiResponse> {
    return this.#connection.send({ method: 'GET', path, query, idempotent: true, signal })
  }
}

function jobFailed(jobId: string, failureReason: string | undefined): ScrapeNestError {
  const message = `Job ${jobId} failed: ${failureReason ?? 'no reason given'}.`
  return new ScrapeNestError({ code: 'job_failed', message, jobId, failureReason })
}

/** Applies the defaults. @throws {ConfigurationError} `configuration_invalid`: a time is longer than timers support. */
export function checkWaitOptions(options: WaitOptions): WaitSettings {
  const timer = { min: 1, max: 2_147_483_647 }
  return {
    timeoutMs: checkWholeNumber('timeoutMs', options.timeoutMs ?? 30_000, timer),
    pollMs: checkWholeNumber('pollMs', options.pollMs ?? 1_000, timer),
    returnFailed: options.returnFailed ?? false,
  }
}

/** `job_timeout` */
export function jobTimedOut(jobId: string, timeoutMs: number): ScrapeNestError {
  const message = `Job ${jobId} did not finish within ${timeoutMs} ms.`
  return new ScrapeNestError({ code: 'job_timeout', message, jobId, timeoutMs })
}

/** `byte_size` used to be called `size_bytes`. */
function readArtifactFields(artifact: Artifact & { readonly size_bytes?: number }): Artifact {
  const { size_bytes, ...rest } = artifact
  return rest.byte_size === undefined && size_bytes !== undefined ? { ...rest, byte_size: size_bytes } : rest
}
