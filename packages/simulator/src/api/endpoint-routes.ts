import { Endpoint, type EndpointSettings } from '../delivery/endpoint.ts'
import type { Attempt, Message } from '../delivery/sender.ts'
import { isLocalUrl } from '../local-address.ts'
import { type ApiRequest, type ApiResponse, notFound, refuseProblems, wholeNumber } from './request.ts'
import type { ApiState } from './state.ts'

export function listEndpoints(_request: ApiRequest, { endpoints }: ApiState): ApiResponse {
  return { status: 200, json: { items: [...endpoints.values()].map((endpoint) => endpoint.describe()) } }
}

export function createEndpoint({ body }: ApiRequest, { endpoints }: ApiState): ApiResponse {
  const endpoint = new Endpoint(readSettings(body))
  endpoints.set(endpoint.id, endpoint)
  return { status: 201, json: { ...endpoint.describe(), secret: endpoint.secret } }
}

export function getEndpoint(request: ApiRequest, state: ApiState): ApiResponse {
  return { status: 200, json: findEndpoint(request, state).describe() }
}

export function updateEndpoint(request: ApiRequest, state: ApiState): ApiResponse {
  const endpoint = findEndpoint(request, state)
  endpoint.settings = readSettings(request.body)
  endpoint.updatedAt = new Date()
  return { status: 200, json: endpoint.describe() }
}

export function deleteEndpoint(request: ApiRequest, state: ApiState): ApiResponse {
  const endpoint = findEndpoint(request, state)
  endpoint.status = 'deleted'
  state.endpoints.delete(endpoint.id)
  return { status: 204 }
}

export function rotateSecret(request: ApiRequest, state: ApiState): ApiResponse {
  const endpoint = findEndpoint(request, state)
  endpoint.rotate(state.rotationOverlapMs)
  endpoint.updatedAt = new Date()
  const { endpoint_id, secret_prefix, updated_at } = endpoint.describe()
  return { status: 200, json: { endpoint_id, secret: endpoint.secret, secret_prefix, rotated_at: updated_at } }
}

export function pauseEndpoint(request: ApiRequest, state: ApiState): ApiResponse {
  const endpoint = findEndpoint(request, state)
  endpoint.status = 'paused'
  endpoint.updatedAt = new Date()
  const json = { endpoint_id: endpoint.id, status: endpoint.status, paused_at: endpoint.updatedAt.toISOString() }
  return { status: 200, json }
}

export function resumeEndpoint(request: ApiRequest, state: ApiState): ApiResponse {
  const endpoint = findEndpoint(request, state)
  endpoint.status = 'active'
  endpoint.updatedAt = new Date()
  const json = { endpoint_id: endpoint.id, status: endpoint.status, resumed_at: endpoint.updatedAt.toISOString() }
  return { status: 200, json }
}

export function listMessages(request: ApiRequest, state: ApiState): ApiResponse {
  const endpoint = findEndpoint(request, state)
  const messages = state.sender.messagesOf(endpoint).map(describeMessage)
  return { status: 200, json: { endpoint_id: endpoint.id, ...pageOf(messages, request.query, 'message_id') } }
}

export function listAttempts(request: ApiRequest, state: ApiState): ApiResponse {
  const endpoint = findEndpoint(request, state)
  const message = state.sender.messagesOf(endpoint).find(({ id }) => id === request.ids[1])
  if (message === undefined) throw notFound('message')
  const attempts = message.attempts.map(describeAttempt).reverse()
  const json = { endpoint_id: endpoint.id, message_id: message.id, ...pageOf(attempts, request.query, 'id') }
  return { status: 200, json }
}

function findEndpoint({ ids: [id = ''] }: ApiRequest, { endpoints }: ApiState): Endpoint {
  const endpoint = endpoints.get(id)
  if (endpoint === undefined) throw notFound('webhook endpoint')
  return endpoint
}

function readSettings(body: ApiRequest['body']): EndpointSettings {
  const { url, enabled_events, name } = body
  refuseProblems([
    !isLocalUrl(url) && {
      field: 'url',
      message: 'must be on this machine (localhost, 127.0.0.1 or [::1]), the only place the simulator delivers to',
    },
    enabled_events !== undefined &&
      !isStringList(enabled_events) && { field: 'enabled_events', message: 'must be a list of strings' },
  ])
  return { ...(body as unknown as EndpointSettings), name: typeof name === 'string' ? name : new URL(String(url)).host }
}

function isStringList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
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

/** Returns one page of a list. The cursor is the id of the last item, so it stays valid when newer items arrive. */
function pageOf(all: readonly Record<string, unknown>[], query: URLSearchParams, idField: string): object {
  const limit = wholeNumber(query, 'limit', { fallback: 50, min: 1, max: 250 })
  const iterator = query.get('iterator')
  const start = iterator === null ? 0 : all.findIndex((item) => item[idField] === iterator) + 1
  refuseProblems([iterator !== null && start === 0 && { field: 'iterator', message: 'is unknown' }])
  const items = all.slice(start, start + limit)
  const done = start + items.length >= all.length
  return { items, iterator: done ? null : items.at(-1)?.[idField], prev_iterator: null, done, limit }
}
