import {
  createEndpoint,
  deleteEndpoint,
  getEndpoint,
  listAttempts,
  listEndpoints,
  listMessages,
  pauseEndpoint,
  resumeEndpoint,
  rotateSecret,
  updateEndpoint,
} from './endpoint-routes.ts'
import { getDownloadUrl, getJob, getJobStats, listJobs, submitJob } from './job-routes.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import type { ApiState } from './state.ts'

type Route = (request: ApiRequest, state: ApiState) => ApiResponse

/** Every request that ScrapeNest's SDK makes for endpoints, jobs and artifacts. Paths follow `/v1`. */
export const routes: readonly (readonly [method: string, path: string, route: Route])[] = [
  ['POST', '/jobs', submitJob],
  ['GET', '/jobs', listJobs],
  ['GET', '/jobs/stats', getJobStats],
  ['GET', '/jobs/*', getJob],
  ['GET', '/artifacts/*/download', getDownloadUrl],
  ['GET', '/webhook-endpoints', listEndpoints],
  ['POST', '/webhook-endpoints', createEndpoint],
  ['GET', '/webhook-endpoints/*', getEndpoint],
  ['PUT', '/webhook-endpoints/*', updateEndpoint],
  ['DELETE', '/webhook-endpoints/*', deleteEndpoint],
  ['POST', '/webhook-endpoints/*/rotate-secret', rotateSecret],
  ['POST', '/webhook-endpoints/*/pause', pauseEndpoint],
  ['POST', '/webhook-endpoints/*/resume', resumeEndpoint],
  ['GET', '/webhook-endpoints/*/messages', listMessages],
  ['GET', '/webhook-endpoints/*/messages/*/attempts', listAttempts],
]

/** @returns the parts of the path that match `*`, or `undefined` if the path does not match. */
export function matchPath(path: string, pattern: string): readonly string[] | undefined {
  const parts = path.split('/')
  const expected = pattern.split('/')
  if (parts.length !== expected.length) return undefined
  if (!expected.every((part, index) => part === '*' || part === parts[index])) return undefined
  return parts.filter((_, index) => expected[index] === '*')
}
