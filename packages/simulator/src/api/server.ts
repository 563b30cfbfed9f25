import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { messageOf } from '@scrapenest-webhooks/core/adapter'
import { simulatedNote } from '../jobs/produce-artifacts.ts'
import { isLocalHost } from '../local-address.ts'
import { RateLimit } from './rate-limit.ts'
import { ApiError, notFound, readJsonBody } from './request.ts'
import { matchPath, routes } from './routes.ts'
import type { ApiState } from './state.ts'

export interface ApiServerOptions {
  readonly apiKey: string
  readonly requestsPerMinute: number
}

const examplePage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>An item</title></head>
<body><h1>An item</h1><p class="price">12.50 €</p></body></html>
`

/** Serves ScrapeNest's API under `/v1` and `/api/v1`, the artifacts behind presigned URLs, and a page to scrape. */
export function createApiServer(state: ApiState, options: ApiServerOptions): Server {
  const rateLimit = new RateLimit(options.requestsPerMinute)

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    refuseOtherHosts(request)
    const url = targetOf(request)
    if (request.method === 'GET' && url.pathname === '/pages/example') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(examplePage)
    } else if (request.method === 'GET' && url.pathname.startsWith('/storage/')) {
      serveArtifact(url, response, state)
    } else {
      await callApi(request, response, url)
    }
  }

  async function callApi(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const [, path] = /^(?:\/api)?\/v1(\/.*)$/.exec(url.pathname) ?? []
    if (path === undefined) throw notFound('path')
    authenticate(request, options.apiKey)
    // Counted after the key check, because any web page can send requests without a key.
    rateLimit.count(response)
    for (const [method, pattern, route] of routes) {
      const ids = method === request.method ? matchPath(path, pattern) : undefined
      if (ids === undefined) continue
      const body = await readJsonBody(request)
      const { status, json } = route({ ids: ids.map(decodeId), query: url.searchParams, body }, state)
      if (json === undefined) response.writeHead(status).end()
      else sendJson(response, status, json)
      return
    }
    throw notFound('path')
  }

  return createServer((request, response) => {
    response.setHeader('x-request-id', `req_${randomUUID().replaceAll('-', '')}`)
    respond(request, response).catch((error: unknown) => sendError(response, error))
  })
}

/** Parses a path, or a full URL as sent by a client behind a proxy. `//host/path` is a path. */
function targetOf({ url: target = '/' }: IncomingMessage): URL {
  const text = target.startsWith('/') ? `http://simulator${target}` : target
  if (!URL.canParse(text)) throw notFound('path')
  return new URL(text)
}

/** Prevents DNS rebinding: a web page whose host name resolves to this machine must not read the responses. */
function refuseOtherHosts({ headers: { host = '' } }: IncomingMessage): void {
  if (URL.canParse(`http://${host}`) && isLocalHost(new URL(`http://${host}`).hostname)) return
  throw new ApiError(403, { code: 'host_not_allowed', message: 'The simulator only serves this machine.' })
}

function authenticate({ headers }: IncomingMessage, apiKey: string): void {
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  const given = headers['x-api-key'] ?? bearer
  if (typeof given === 'string' && timingSafeEqual(sha256(given), sha256(apiKey))) return
  throw new ApiError(401, {
    code: 'invalid_api_key',
    message: given === undefined ? 'no API key' : 'unknown API key',
  })
}

/** Digests have the same length, which `timingSafeEqual` requires. */
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function decodeId(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw notFound('path')
  }
}

function serveArtifact(url: URL, response: ServerResponse, { artifacts }: ApiState): void {
  const artifact = artifacts.open(url.pathname.slice('/storage/'.length), url.searchParams)
  if (artifact === undefined) throw notFound('artifact')
  if (artifact === 'expired') {
    throw new ApiError(403, { code: 'url_expired', message: 'The URL has expired, or its signature is invalid.' })
  }
  response
    .writeHead(200, {
      'content-type': artifact.contentType,
      'content-length': artifact.bytes.byteLength,
      // A scraped page must not run scripts in the API's origin.
      'content-security-policy': 'sandbox',
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
      ...(artifact.type === 'screenshot' && { 'x-simulated': simulatedNote }),
    })
    .end(artifact.bytes)
}

function sendJson(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  const { status, apiCode: code, message, details } = error instanceof ApiError ? error : internalError(error)
  const request_id = response.getHeader('x-request-id')
  // Unread body bytes would be parsed as the next request.
  response.setHeader('connection', 'close')
  sendJson(response, status, { error: { code, message, request_id, details } })
}

function internalError(error: unknown): ApiError {
  return new ApiError(500, { code: 'internal', message: messageOf(error) })
}
