import { describeArtifact } from '../jobs/artifact-store.ts'
import { describeJob, type Job, type JobRequest } from '../jobs/job.ts'
import { isHttpUrl } from '../local-address.ts'
import { type ApiRequest, type ApiResponse, notFound, refuseProblems, wholeNumber } from './request.ts'
import type { ApiState } from './state.ts'

const tiers = ['light', 'standard', 'stealth']
const bucketSeconds = 3600
const dayMs = 86_400_000

export function submitJob({ body }: ApiRequest, { jobs }: ApiState): ApiResponse {
  const { job_type, target_url, proxy } = body
  refuseProblems([
    !tiers.includes(String(job_type)) && { field: 'job_type', message: `must be one of ${tiers.join(', ')}` },
    !isHttpUrl(target_url) && { field: 'target_url', message: 'must be an http or https URL' },
    proxy !== undefined && job_type !== 'stealth' && { field: 'proxy', message: 'requires the stealth tier' },
  ])
  // The other fields are not validated. A job with an unusable field fails.
  const { job, isNew } = jobs.submit(body as unknown as JobRequest)
  const json = {
    job_id: job.id,
    status: job.status,
    created_at: job.createdAt.toISOString(),
    artifact_ids: job.artifacts.map(({ id }) => id),
  }
  return { status: isNew ? 201 : 200, json }
}

export function getJob({ ids: [id = ''], query }: ApiRequest, { jobs, artifacts }: ApiState): ApiResponse {
  const job = jobs.get(id)
  if (job === undefined) throw notFound('job')
  const withUrls = query.get('include_download_urls') === 'true'
  const ttlSeconds = ttlOf(query)
  const described = job.artifacts.map((artifact) =>
    describeArtifact(artifact, withUrls ? artifacts.presign(artifact.id, ttlSeconds) : undefined),
  )
  const json = {
    ...describeJob(job),
    failure_reason: job.failureReason ?? null,
    artifact_ids: job.artifacts.map((artifact) => artifact.id),
    artifacts: described,
  }
  return { status: 200, json }
}

export function listJobs({ query }: ApiRequest, { jobs }: ApiState): ApiResponse {
  const limit = wholeNumber(query, 'limit', { fallback: 50, min: 1, max: 100 })
  const offset = wholeNumber(query, 'offset', { fallback: 0, min: 0, max: Number.MAX_SAFE_INTEGER })
  const matching = jobs.list().filter((job) => matches(job, query))
  const items = matching.slice(offset, offset + limit).map(describeJob)
  return { status: 200, json: { items, total: matching.length, limit, offset } }
}

export function getJobStats({ query }: ApiRequest, { jobs }: ApiState): ApiResponse {
  const matching = jobs.list().filter((job) => matches(job, query))
  const json = {
    from: query.get('from') ?? new Date(Date.now() - dayMs).toISOString(),
    to: query.get('to') ?? new Date().toISOString(),
    bucket_seconds: bucketSeconds,
    buckets: bucketsOf(matching),
    totals: totalsOf(matching),
  }
  return { status: 200, json }
}

export function getDownloadUrl({ ids: [id = ''], query }: ApiRequest, { artifacts }: ApiState): ApiResponse {
  if (artifacts.get(id) === undefined) throw notFound('artifact')
  return { status: 200, json: { artifact_id: id, ...artifacts.presign(id, ttlOf(query)) } }
}

function ttlOf(query: URLSearchParams): number | undefined {
  if (!query.has('ttl_seconds')) return undefined
  return wholeNumber(query, 'ttl_seconds', { fallback: 0, min: 1, max: 86_400 })
}

function matches(job: Job, query: URLSearchParams): boolean {
  const { job_type, target_url, tags = [] } = job.request
  const filter = (name: string, fits: (value: string) => boolean): boolean => {
    const value = query.get(name)
    return value === null || fits(value)
  }
  return (
    filter('status', (status) => job.status === status) &&
    filter('job_type', (type) => job_type === type) &&
    filter('job_id', (id) => job.id === id) &&
    filter('target_url', (url) => target_url === url) &&
    filter('tag', (tag) => tags.includes(tag)) &&
    filter('from', (from) => job.createdAt.getTime() >= Date.parse(from)) &&
    filter('to', (to) => job.createdAt.getTime() <= Date.parse(to))
  )
}

/** Groups jobs by the hour of their submission. */
function bucketsOf(jobs: readonly Job[]): readonly object[] {
  const bucketMs = bucketSeconds * 1000
  const buckets = new Map<number, Job[]>()
  for (const job of jobs) {
    const startMs = Math.floor(job.createdAt.getTime() / bucketMs) * bucketMs
    buckets.set(startMs, [...(buckets.get(startMs) ?? []), job])
  }
  return [...buckets]
    .sort(([one], [other]) => one - other)
    .map(([startMs, inBucket]) => ({ start: new Date(startMs).toISOString(), ...countByStatus(inBucket) }))
}

function totalsOf(jobs: readonly Job[]): object {
  const counts = countByStatus(jobs)
  const durationsMs = jobs.flatMap(({ createdAt, completedAt }) =>
    completedAt === undefined ? [] : [completedAt.getTime() - createdAt.getTime()],
  )
  const totalMs = durationsMs.reduce((sum, durationMs) => sum + durationMs, 0)
  const hasEnded = durationsMs.length > 0
  return {
    ...counts,
    success_rate: hasEnded ? counts.succeeded / durationsMs.length : null,
    avg_duration_seconds: hasEnded ? totalMs / durationsMs.length / 1000 : null,
  }
}

function countByStatus(jobs: readonly Job[]): { readonly total: number } & Readonly<Record<Job['status'], number>> {
  const count = (status: Job['status']): number => jobs.filter((job) => job.status === status).length
  return {
    total: jobs.length,
    succeeded: count('succeeded'),
    failed: count('failed'),
    running: count('running'),
    queued: count('queued'),
  }
}
