import { type ApiAnswer, type ApiRequest, notFound, refuseProblems, wholeNumber } from './api-request.ts'
import type { Attempt, DeliveryEngine, Message } from './delivery-engine.ts'
import { Endpoint, type EndpointSettings } from './endpoints.ts'
import { describeJob, type Job, type JobBody, type Jobs } from './jobs.ts'
import { describeArtifact, type StoredArtifacts } from './stored-artifacts.ts'

export interface ApiState {
  readonly endpoints: Map<string, Endpoint>
  readonly engine: DeliveryEngine
  readonly jobs: Jobs
  readonly artifacts: StoredArtifacts
  readonly rotationOverlapMs: number
}

type Handler = (request: ApiRequest, state: ApiState) => ApiAnswer

const tiers = ['light', 'standard', 'stealth']

/** Every call that ScrapeNest's SDK makes for endpoints, jobs and artifacts. Paths are those after `/v1`. */
export const routes: readonly (readonly [method: string, path: string, handler: Handler])[] = [
  ['POST', '/jobs', submitJob],
  ['GET', '/jobs', listJobs],
  ['GET', '/jobs/stats', jobStats],
  ['GET', '/jobs/*', getJob],
  ['GET', '/artifacts/*/download', getDownloadUrl],
  ['GET', '/webhook-endpoints', listEndpoints],
  ['POST', '/webhook-endpoints', createEndpoint],
  ['GET', '/webhook-endpoints/*', getEndpoint],
  ['PUT', '/webhook-endpoints/*', updateEndpoint],
  ['DELETE', '/webhook-endpoints/*', deleteEndpoint],
  ['POST', '/webhook-endpoints/*/rotate-secret', rotateSecret],
  ['POST', '/webhook-endpoints/*/pause', (request, state) => setStatus(request, state, 'paused')],
  ['POST', '/webhook-endpoints/*/resume', (request, state) => setStatus(request, state, 'active')],
  ['GET', '/webhook-endpoints/*/messages', listMessages],
  ['GET', '/webhook-endpoints/*/messages/*/attempts', listAttempts],
]

function submitJob({ body }: ApiRequest, { jobs }: ApiState): ApiAnswer {
  const { job_type, target_url, proxy } = body
  refuseProblems([
    !tiers.includes(String(job_type)) && { field: 'job_type', message: `must be one of ${tiers.join(', ')}` },
    !isHttpUrl(target_url) && { field: 'target_url', message: 'must be an http or https URL' },
    proxy !== undefined && job_type !== 'stealth' && { field: 'proxy', message: 'is for the stealth tier only' },
  ])
  const { job, isNew } = jobs.submit(body as unknown as JobBody)
  const json = {
    job_id: job.id,
    status: job.status,
    created_at: job.createdAt.toISOString(),
    artifact_ids: job.artifacts.map(({ id }) => id),
  }
  return { status: isNew ? 201 : 200, json }
}

function getJob({ ids: [id = ''], query }: ApiRequest, { jobs, artifacts }: ApiState): ApiAnswer {
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

function listJobs({ query }: ApiRequest, { jobs }: ApiState): ApiAnswer {
  const limit = wholeNumber(query, 'limit', { fallback: 50, min: 1, max: 100 })
  const offset = wholeNumber(query, 'offset', { fallback: 0, min: 0, max: Number.MAX_SAFE_INTEGER })
  const matching = jobs.list().filter((job) => matches(job, query))
  const items = matching.slice(offset, offset + limit).map(describeJob)
  return { status: 200, json: { items, total: matching.length, limit, offset } }
}

function matches(job: Job, query: URLSearchParams): boolean {
  const { job_type, target_url, tags = [] } = job.body
  const wanted = (name: string, has: (value: string) => boolean): boolean => {
    const value = query.get(name)
    return value === null || has(value)
  }
  return (
    wanted('status', (status) => job.status === status) &&
    wanted('job_type', (type) => job_type === type) &&
    wanted('job_id', (id) => job.id === id) &&
    wanted('target_url', (url) => target_url === url) &&
    wanted('tag', (tag) => tags.includes(tag)) &&
    wanted('from', (from) => job.createdAt.getTime() >= Date.parse(from)) &&
    wanted('to', (to) => job.createdAt.getTime() <= Date.parse(to))
  )
}

function jobStats({ query }: ApiRequest, { jobs }: ApiState): ApiAnswer {
  const bucketSeconds = 3600
  const counted = jobs.list().filter((job) => matches(job, query))
  const hours = new Map<number, Job[]>()
  for (const job of counted) {
    const hour = Math.floor(job.createdAt.getTime() / (bucketSeconds * 1000))
    hours.set(hour, [...(hours.get(hour) ?? []), job])
  }
  const buckets = [...hours].sort(([one], [other]) => one - other)
  const ended = counted.filter(({ completedAt }) => completedAt !== undefined)
  const seconds = ended.map((job) => ((job.completedAt?.getTime() ?? 0) - job.createdAt.getTime()) / 1000)
  const json = {
    from: query.get('from') ?? new Date(Date.now() - 86_400_000).toISOString(),
    to: query.get('to') ?? new Date().toISOString(),
    bucket_seconds: bucketSeconds,
    buckets: buckets.map(([hour, of]) => ({
      start: new Date(hour * bucketSeconds * 1000).toISOString(),
      ...countByStatus(of),
    })),
    totals: {
      ...countByStatus(counted),
      success_rate: ended.length === 0 ? null : countByStatus(ended)['succeeded'] / ended.length,
      avg_duration_seconds:
        seconds.length === 0 ? null : seconds.reduce((sum, value) => sum + value, 0) / seconds.length,
    },
  }
  return { status: 200, json }
}

function countByStatus(jobs: readonly Job[]) {
  const of = (status: Job['status']): number => jobs.filter((job) => job.status === status).length
  return {
    total: jobs.length,
    succeeded: of('succeeded'),
    failed: of('failed'),
    running: of('running'),
    queued: of('queued'),
  }
}

function getDownloadUrl({ ids: [id = ''], query }: ApiRequest, { artifacts }: ApiState): ApiAnswer {
  if (artifacts.get(id) === undefined) throw notFound('artifact')
  return { status: 200, json: { artifact_id: id, ...artifacts.presign(id, ttlOf(query)) } }
}

function ttlOf(query: URLSearchParams): number | undefined {
  if (!query.has('ttl_seconds')) return undefined
  return wholeNumber(query, 'ttl_seconds', { fallback: 0, min: 1, max: 86_400 })
}

function listEndpoints(_request: ApiRequest, { endpoints }: ApiState): ApiAnswer {
  return { status: 200, json: { items: [...endpoints.values()].map((endpoint) => endpoint.describe()) } }
}

function createEndpoint({ body }: ApiRequest, { endpoints }: ApiState): ApiAnswer {
  const endpoint = new Endpoint(settingsOf(body))
  endpoints.set(endpoint.id, endpoint)
  return { status: 201, json: { ...endpoint.describe(), secret: endpoint.secret } }
}

function getEndpoint(request: ApiRequest, state: ApiState): ApiAnswer {
  return { status: 200, json: endpointOf(request, state).describe() }
}

function updateEndpoint(request: ApiRequest, state: ApiState): ApiAnswer {
  const endpoint = endpointOf(request, state)
  endpoint.settings = settingsOf(request.body)
  endpoint.updatedAt = new Date()
  return { status: 200, json: endpoint.describe() }
}

function deleteEndpoint(request: ApiRequest, state: ApiState): ApiAnswer {
  const endpoint = endpointOf(request, state)
  endpoint.status = 'deleted'
  state.endpoints.delete(endpoint.id)
  return { status: 204 }
}

function rotateSecret(request: ApiRequest, state: ApiState): ApiAnswer {
  const endpoint = endpointOf(request, state)
  endpoint.rotate(state.rotationOverlapMs)
  endpoint.updatedAt = new Date()
  const { endpoint_id, secret_prefix, updated_at } = endpoint.describe()
  return { status: 200, json: { endpoint_id, secret: endpoint.secret, secret_prefix, rotated_at: updated_at } }
}

function setStatus(request: ApiRequest, state: ApiState, status: 'active' | 'paused'): ApiAnswer {
  const endpoint = endpointOf(request, state)
  endpoint.status = status
  endpoint.updatedAt = new Date()
  const at = endpoint.updatedAt.toISOString()
  const changed = status === 'paused' ? { paused_at: at } : { resumed_at: at }
  return { status: 200, json: { endpoint_id: endpoint.id, status, ...changed } }
}

function listMessages(request: ApiRequest, state: ApiState): ApiAnswer {
  const endpoint = endpointOf(request, state)
  const all = state.engine.messagesOf(endpoint).map(describeMessage)
  return { status: 200, json: { endpoint_id: endpoint.id, ...page(all, request.query, 'message_id') } }
}

function listAttempts(request: ApiRequest, state: ApiState): ApiAnswer {
  const endpoint = endpointOf(request, state)
  const message = state.engine.messagesOf(endpoint).find(({ id }) => id === request.ids[1])
  if (message === undefined) throw notFound('message')
  const all = message.attempts.map(describeAttempt).reverse()
  return { status: 200, json: { endpoint_id: endpoint.id, message_id: message.id, ...page(all, request.query, 'id') } }
}

function describeMessage({ id, status, event, dispatchedAt }: Message): Record<string, unknown> {
  return {
    message_id: id,
    status,
    payload: event,
    dispatched_at: dispatchedAt.toISOString(),
    event_type: event.event_type,
    event_id: event.event_id,
  }
}

function describeAttempt(attempt: Attempt): Record<string, unknown> {
  const { statusCode = null } = attempt
  return {
    id: attempt.id,
    status: statusCode !== null && statusCode >= 200 && statusCode < 300 ? 'succeeded' : 'failed',
    dispatched_at: attempt.dispatchedAt.toISOString(),
    status_code: statusCode,
    latency_ms: attempt.latencyMs,
    response_body: attempt.failure ?? attempt.responseBody,
  }
}

/** The cursor is the id of the last item seen: it stays right when newer ones arrive. */
function page(all: readonly Record<string, unknown>[], query: URLSearchParams, idField: string): object {
  const limit = wholeNumber(query, 'limit', { fallback: 50, min: 1, max: 250 })
  const iterator = query.get('iterator')
  const start = iterator === null ? 0 : all.findIndex((item) => item[idField] === iterator) + 1
  refuseProblems([iterator !== null && start === 0 && { field: 'iterator', message: 'is unknown' }])
  const items = all.slice(start, start + limit)
  const done = start + items.length >= all.length
  return { items, iterator: done ? null : items.at(-1)?.[idField], prev_iterator: null, done, limit }
}

function endpointOf({ ids: [id = ''] }: ApiRequest, { endpoints }: ApiState): Endpoint {
  const endpoint = endpoints.get(id)
  if (endpoint === undefined) throw notFound('webhook endpoint')
  return endpoint
}

function settingsOf(body: ApiRequest['body']): EndpointSettings {
  const { url, enabled_events, name } = body
  refuseProblems([
    !isLocalUrl(url) && {
      field: 'url',
      message: 'must be on this machine (localhost, 127.0.0.1 or [::1]): the simulator delivers nowhere else',
    },
    enabled_events !== undefined &&
      !isTextList(enabled_events) && { field: 'enabled_events', message: 'must be a list of texts' },
  ])
  return { ...(body as unknown as EndpointSettings), name: typeof name === 'string' ? name : new URL(String(url)).host }
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isHttpUrl(value: unknown): value is string {
  return typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}

export function isLocalUrl(value: unknown): value is string {
  return isHttpUrl(value) && isLocalHost(new URL(value).hostname)
}

export function isLocalHost(hostname: string): boolean {
  return /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])$/.test(hostname)
}
