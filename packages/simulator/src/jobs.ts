import { randomUUID } from 'node:crypto'
import { fetchTarget, type TargetResponse } from './fetch-target.ts'
import { produceArtifacts, simulatedNote } from './produce-artifacts.ts'
import { describeArtifact, type StoredArtifact, type StoredArtifacts } from './stored-artifacts.ts'
import { Timers } from './timers.ts'

/** A job as it was submitted; what the simulator has no use for is kept and ignored. */
export interface JobBody {
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
  readonly extraction?: { readonly hooks: readonly { readonly hook_id: string }[] }
}

/**
 * - `queued`: submitted; the next timer takes it up
 * - `running`: its target is being fetched
 * - `succeeded`: final; its artifacts are there. Also where the target refused: then `outcome` is `blocked`
 * - `failed`: final; `failureReason` says why
 */
export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed'

export interface Job {
  readonly id: string
  readonly body: JobBody
  readonly createdAt: Date
  status: JobStatus
  updatedAt: Date
  completedAt?: Date
  outcome?: 'success' | 'blocked' | 'failed'
  blockedStatus?: number
  failureReason?: string
  artifacts: readonly StoredArtifact[]
}

export interface JobsOptions {
  readonly artifacts: StoredArtifacts
  /** How long a job stays queued, in milliseconds. */
  readonly delayMs: number
  readonly emit: (eventType: string, data: Readonly<Record<string, unknown>>) => void
}

/** With these a site tells a scraper that it is not wanted. */
const blockedStatuses: ReadonlySet<number> = new Set([401, 403, 407, 429, 451])

/** Only the last is documented; the others are the simulator's own. */
const creditWeights: Readonly<Record<string, number>> = { light: 1, standard: 10, stealth: 30 }

/** More are forgotten, oldest first, with their artifacts. */
const maxJobs = 1_000

/** Runs jobs: fetches the target, keeps what comes of it, and says so in events. */
export class Jobs {
  readonly #options: JobsOptions
  readonly #all = new Map<string, Job>()
  readonly #byToken = new Map<string, Job>()
  readonly #timers = new Timers()
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #waiters: (() => void)[] = []

  constructor(options: JobsOptions) {
    this.#options = options
  }

  /** The same `idempotency_token` gives the same job. */
  submit(body: JobBody): { readonly job: Job; readonly isNew: boolean } {
    const known = body.idempotency_token === undefined ? undefined : this.#byToken.get(body.idempotency_token)
    if (known !== undefined) return { job: known, isNew: false }
    const createdAt = new Date()
    const job: Job = { id: randomUUID(), body, createdAt, updatedAt: createdAt, status: 'queued', artifacts: [] }
    this.#all.set(job.id, job)
    if (body.idempotency_token !== undefined) this.#byToken.set(body.idempotency_token, job)
    this.#forgetOldest()
    this.#options.emit('job.created', {
      job_id: job.id,
      job_type: body.job_type,
      status: 'queued',
      target_url: body.target_url,
      created_at: createdAt.toISOString(),
    })
    this.#timers.after(this.#options.delayMs, () => {
      const run = this.#runGuarded(job).finally(() => {
        this.#running.delete(run)
        if (this.isIdle) for (const resolve of this.#waiters.splice(0)) resolve()
      })
      this.#running.add(run)
    })
    return { job, isNew: true }
  }

  get(id: string): Job | undefined {
    return this.#all.get(id)
  }

  /** Newest first. */
  list(): readonly Job[] {
    return [...this.#all.values()].reverse()
  }

  get isIdle(): boolean {
    return this.list().every(({ completedAt }) => completedAt !== undefined)
  }

  /** Resolves when every job has ended. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  async close(): Promise<void> {
    this.#timers.close()
    this.#closing.abort()
    await Promise.all(this.#running)
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  /** A job may ask for what nobody thought of; it then fails, and the simulator goes on. */
  async #runGuarded(job: Job): Promise<void> {
    const startedAt = new Date()
    try {
      await this.#run(job, startedAt)
    } catch (error) {
      job.failureReason = `internal_error: ${error instanceof Error ? error.message : String(error)}`
      this.#complete(job, { status: 'failed', outcome: 'failed', startedAt })
    }
  }

  async #run(job: Job, startedAt: Date): Promise<void> {
    job.status = 'running'
    job.updatedAt = startedAt
    const target = await fetchTarget(job.body, this.#closing.signal)
    if (this.#closing.signal.aborted) return
    if (typeof target === 'string') {
      job.failureReason = target
      this.#complete(job, { status: 'failed', outcome: 'failed', startedAt })
    } else if (blockedStatuses.has(target.status)) {
      job.blockedStatus = target.status
      this.#complete(job, { status: 'succeeded', outcome: 'blocked', startedAt, target })
    } else {
      job.artifacts = produceArtifacts(job.body, target, this.#options.artifacts)
      this.#complete(job, { status: 'succeeded', outcome: 'success', startedAt, target })
    }
  }

  #complete(
    job: Job,
    end: {
      readonly status: 'succeeded' | 'failed'
      readonly outcome: 'success' | 'blocked' | 'failed'
      readonly startedAt: Date
      readonly target?: TargetResponse
    },
  ): void {
    const { artifacts, emit } = this.#options
    const completedAt = new Date()
    const duration_ms = completedAt.getTime() - end.startedAt.getTime()
    Object.assign(job, { status: end.status, outcome: end.outcome, completedAt, updatedAt: completedAt })
    const manifest = JSON.stringify(manifestOf(job, { ...end, completedAt, duration_ms }), null, 2)
    job.artifacts = [...job.artifacts, artifacts.add('manifest', 'application/json', manifest)]
    for (const artifact of job.artifacts) {
      const { download_url } = artifacts.presign(artifact.id)
      emit('artifact.ready', { job_id: job.id, artifact_type: artifact.type, download_url })
    }
    const result =
      end.status === 'failed' ? { failure_reason: job.failureReason } : { artifact_count: job.artifacts.length }
    emit('job.completed', {
      job_id: job.id,
      status: end.status,
      ...result,
      duration_ms,
      completed_at: completedAt.toISOString(),
    })
  }

  #forgetOldest(): void {
    if (this.#all.size <= maxJobs) return
    const [oldest] = this.#all.values()
    if (oldest?.completedAt === undefined) return
    this.#all.delete(oldest.id)
    this.#byToken.delete(oldest.body.idempotency_token ?? '')
    for (const { id } of oldest.artifacts) this.#options.artifacts.remove(id)
  }
}

function manifestOf(
  job: Job,
  end: {
    readonly status: string
    readonly outcome: string
    readonly startedAt: Date
    readonly completedAt: Date
    readonly duration_ms: number
    readonly target?: TargetResponse
  },
): object {
  const { job_type, target_url } = job.body
  const weight = creditWeights[job_type] ?? 1
  const charged = end.outcome === 'success'
  return {
    manifest_version: '1.0.0',
    simulated: true,
    note: simulatedNote,
    job_id: job.id,
    engine: job_type,
    target_url,
    final_url: end.target?.finalUrl ?? null,
    status: end.status === 'failed' ? 'failed' : 'completed',
    outcome: end.outcome,
    block: describeBlock(job),
    response: end.target === undefined ? null : { http_status: end.target.status, headers: end.target.headers },
    timing: {
      started_at: end.startedAt.toISOString(),
      finished_at: end.completedAt.toISOString(),
      duration_ms: end.duration_ms,
    },
    credits: { weight, charged, amount: charged ? weight : 0 },
    artifacts: job.artifacts.map((artifact) => describeArtifact(artifact)),
  }
}

function describeBlock(job: Job): object | null {
  if (job.blockedStatus === undefined) return null
  return { blocked: true, signal: 'http_status', http_status: job.blockedStatus }
}

/** As the API lists it. */
export function describeJob(job: Job): Record<string, unknown> {
  return {
    job_id: job.id,
    job_type: job.body.job_type,
    status: job.status,
    outcome: job.outcome ?? null,
    block: describeBlock(job),
    target_url: job.body.target_url,
    tags: job.body.tags ?? [],
    created_at: job.createdAt.toISOString(),
    updated_at: job.updatedAt.toISOString(),
    completed_at: job.completedAt?.toISOString() ?? null,
  }
}
