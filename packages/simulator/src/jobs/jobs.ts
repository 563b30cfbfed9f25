import { messageOf } from '@scrapenest-webhooks/core/adapter'
import { Timers } from '../timers.ts'
import type { ArtifactStore } from './artifact-store.ts'
import { fetchTarget, type TargetResponse } from './fetch-target.ts'
import { createJob, type Job, type JobRequest } from './job.ts'
import { createManifest } from './manifest.ts'
import { produceArtifacts } from './produce-artifacts.ts'

export interface JobsOptions {
  readonly artifacts: ArtifactStore
  /** How long a job stays queued, in milliseconds. */
  readonly delayMs: number
  /** Sends an event about a job. */
  readonly emit: (eventType: string, data: Readonly<Record<string, unknown>>) => void
}

/** Statuses that sites return to refuse scrapers. */
const blockedStatuses: ReadonlySet<number> = new Set([401, 403, 407, 429, 451])

/** Beyond this number, the oldest jobs are dropped together with their artifacts. */
const maxJobs = 1_000

/** Runs jobs: fetches the target, stores the artifacts and sends the events. */
export class Jobs {
  readonly #options: JobsOptions
  readonly #jobs = new Map<string, Job>()
  readonly #byToken = new Map<string, Job>()
  readonly #timers = new Timers()
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #idleWaiters: (() => void)[] = []

  constructor(options: JobsOptions) {
    this.#options = options
  }

  /** Queues a job. A known `idempotency_token` returns the earlier job. */
  submit(request: JobRequest): { readonly job: Job; readonly isNew: boolean } {
    const { idempotency_token } = request
    const known = idempotency_token === undefined ? undefined : this.#byToken.get(idempotency_token)
    if (known !== undefined) return { job: known, isNew: false }
    const job = createJob(request)
    this.#jobs.set(job.id, job)
    if (idempotency_token !== undefined) this.#byToken.set(idempotency_token, job)
    this.#dropOldest()
    this.#options.emit('job.created', {
      job_id: job.id,
      job_type: request.job_type,
      status: job.status,
      target_url: request.target_url,
      created_at: job.createdAt.toISOString(),
    })
    this.#timers.after(this.#options.delayMs, () => this.#start(job))
    return { job, isNew: true }
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id)
  }

  /** Newest first. */
  list(): readonly Job[] {
    return [...this.#jobs.values()].reverse()
  }

  /** Resolves when every job has ended. */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  async close(): Promise<void> {
    this.#timers.close()
    this.#closing.abort()
    await Promise.all(this.#running)
    this.#resolveIdle()
  }

  get #isIdle(): boolean {
    return this.list().every(({ completedAt }) => completedAt !== undefined)
  }

  #resolveIdle(): void {
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  #start(job: Job): void {
    const run = this.#run(job).finally(() => {
      this.#running.delete(run)
      if (this.#isIdle) this.#resolveIdle()
    })
    this.#running.add(run)
  }

  async #run(job: Job): Promise<void> {
    const startedAt = new Date()
    job.status = 'running'
    job.updatedAt = startedAt
    try {
      await this.#scrape(job, startedAt)
    } catch (error) {
      // Job fields are not validated, and an unusable one must not crash the simulator.
      this.#fail(job, `internal_error: ${messageOf(error)}`, startedAt)
    }
  }

  async #scrape(job: Job, startedAt: Date): Promise<void> {
    const target = await fetchTarget(job.request, this.#closing.signal)
    if (this.#closing.signal.aborted) return
    if (typeof target === 'string') return this.#fail(job, target, startedAt)
    job.status = 'succeeded'
    if (blockedStatuses.has(target.status)) {
      job.outcome = 'blocked'
      job.blockedStatus = target.status
    } else {
      job.artifacts = produceArtifacts(job.request, target, this.#options.artifacts)
      job.outcome = 'success'
    }
    this.#complete(job, startedAt, target)
  }

  #fail(job: Job, reason: string, startedAt: Date): void {
    job.status = 'failed'
    job.outcome = 'failed'
    job.failureReason = reason
    this.#complete(job, startedAt)
  }

  /** Stores the manifest and sends the events, in the same way for every outcome. */
  #complete(job: Job, startedAt: Date, target?: TargetResponse): void {
    const { artifacts, emit } = this.#options
    const completedAt = new Date()
    job.completedAt = completedAt
    job.updatedAt = completedAt
    const manifest = createManifest(job, { startedAt, completedAt, target })
    job.artifacts = [...job.artifacts, artifacts.add('manifest', 'application/json', manifest)]
    for (const artifact of job.artifacts) {
      const { download_url } = artifacts.presign(artifact.id)
      emit('artifact.ready', { job_id: job.id, artifact_type: artifact.type, download_url })
    }
    const result =
      job.status === 'failed' ? { failure_reason: job.failureReason } : { artifact_count: job.artifacts.length }
    emit('job.completed', {
      job_id: job.id,
      status: job.status,
      ...result,
      duration_ms: completedAt.getTime() - startedAt.getTime(),
      completed_at: completedAt.toISOString(),
    })
  }

  #dropOldest(): void {
    if (this.#jobs.size <= maxJobs) return
    const [oldest] = this.#jobs.values()
    if (oldest?.completedAt === undefined) return
    this.#jobs.delete(oldest.id)
    this.#byToken.delete(oldest.request.idempotency_token ?? '')
    for (const { id } of oldest.artifacts) this.#options.artifacts.remove(id)
  }
}
