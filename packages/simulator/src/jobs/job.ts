import { randomUUID } from 'node:crypto'
import type { StoredArtifact } from './artifact-store.ts'

/** A job as submitted. Fields that the simulator does not use are kept but ignored. */
export interface JobRequest {
  readonly job_type: string
  readonly target_url: string
  readonly idempotency_token?: string
  readonly tags?: readonly string[]
  readonly timeout_ms?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly user_agent?: string
  readonly method?: string
  readonly body?: string
  readonly follow_redirects?: boolean
  readonly viewport?: { readonly width: number; readonly height: number }
  readonly artifact_options?: Readonly<Record<string, boolean>>
  /** Not used: the target is fetched directly. */
  readonly proxy?: unknown
  readonly extraction?: { readonly hooks: readonly { readonly hook_id: string }[] }
}

/**
 * - `queued`: submitted; a timer starts it
 * - `running`: its target is being fetched
 * - `succeeded`: final; its artifacts are stored. If the target refused, `outcome` is `blocked`
 * - `failed`: final; `failureReason` says why
 */
type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed'

export interface Job {
  readonly id: string
  readonly request: JobRequest
  readonly createdAt: Date
  status: JobStatus
  updatedAt: Date
  completedAt?: Date
  outcome?: 'success' | 'blocked' | 'failed'
  blockedStatus?: number
  failureReason?: string
  artifacts: readonly StoredArtifact[]
}

export function createJob(request: JobRequest): Job {
  const createdAt = new Date()
  return { id: randomUUID(), request, createdAt, updatedAt: createdAt, status: 'queued', artifacts: [] }
}

/** The job as returned by the API. */
export function describeJob(job: Job): Record<string, unknown> {
  return {
    job_id: job.id,
    job_type: job.request.job_type,
    status: job.status,
    outcome: job.outcome ?? null,
    block: describeBlock(job),
    target_url: job.request.target_url,
    tags: job.request.tags ?? [],
    created_at: job.createdAt.toISOString(),
    updated_at: job.updatedAt.toISOString(),
    completed_at: job.completedAt?.toISOString() ?? null,
  }
}

/** How the target refused the scraper. `null` if it did not. */
export function describeBlock({ blockedStatus }: Job): object | null {
  return blockedStatus === undefined ? null : { blocked: true, signal: 'http_status', http_status: blockedStatus }
}
