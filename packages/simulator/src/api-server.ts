import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { ApiFailure, notFound, readJsonBody } from './api-request.ts'
import { type ApiState, isLocalHost, routes } from './api-routes.ts'
import { simulatedNote } from './produce-artifacts.ts'

export interface ApiServerOptions {
  readonly apiKey: string
  readonly requestsPerMinute: number
}

/** A page to scrape where there is no internet. */
const examplePage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>An item</title></head>
<body><h1>An item</h1><p class="price">12.50 €</p></body></html>
`

/** The HTTP side: ScrapeNest's API under `/v1` and `/api/v1`, the storage of presigned URLs, and a page to scrape. */
export function createApiServer(state: ApiState, options: ApiServerOptions): Server {
  const limit = new RequestLimit(options.requestsPerMinute)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    refuseOtherHosts(request)
    const url = new URL(request.url ?? '/', 'http://simulator')
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
    limit.count(response)
    authenticate(request, options.apiKey)
    for (const [method, pattern, handle] of routes) {
      const ids = method === request.method ? idsIn(path, pattern) : undefined
      if (ids === undefined) continue
      const body = await readJsonBody(request)
      const { status, json } = handle({ ids, query: url.searchParams, body }, state)
      if (json === undefined) response.writeHead(status).end()
      else sendJson(response, status, json)
      return
    }
    throw notFound('path')
  }

  return createServer((request, response) => {
    response.setHeader('x-request-id', `req_${randomUUID().replaceAll('-', '')}`)
    answer(request, response).catch((error: unknown) => sendFailure(response, error))
  })
}

/** A web page that has a name resolve to this machine must not read what the simulator answers. */
function refuseOtherHosts({ headers: { host = '' } }: IncomingMessage): void {
  if (URL.canParse(`http://${host}`) && isLocalHost(new URL(`http://${host}`).hostname)) return
  throw new ApiFailure(403, { code: 'host_not_allowed', message: 'The simulator answers on this machine only.' })
}

function authenticate({ headers }: IncomingMessage, apiKey: string): void {
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  const given = headers['x-api-key'] ?? bearer
  if (typeof given === 'string' && timingSafeEqual(sha256(given), sha256(apiKey))) return
  throw new ApiFailure(401, {
    code: 'invalid_api_key',
    message: given === undefined ? 'no API key' : 'unknown API key',
  })
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function idsIn(path: string, pattern: string): string[] | undefined {
  const parts = path.split('/')
  const expected = pattern.split('/')
  if (parts.length !== expected.length) return undefined
  if (!expected.every((part, index) => part === '*' || part === parts[index])) return undefined
  return parts.filter((_, index) => expected[index] === '*').map(decodeId)
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
    throw new ApiFailure(403, { code: 'url_expired', message: 'The URL has expired, or its signature is wrong.' })
  }
  response
    .writeHead(200, {
      'content-type': artifact.contentType,
      'content-length': artifact.bytes.byteLength,
      ...(artifact.type === 'screenshot' && { 'x-simulated': simulatedNote }),
    })
    .end(artifact.bytes)
}

/** A fixed window of a minute. */
class RequestLimit {
  readonly #requestsPerMinute: number
  #windowEndMs = 0
  #used = 0

  constructor(requestsPerMinute: number) {
    this.#requestsPerMinute = requestsPerMinute
  }

  /** @throws {ApiFailure} 429 */
  count(response: ServerResponse): void {
    const nowMs = Date.now()
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + 60_000
      this.#used = 0
    }
    this.#used += 1
    const secondsLeft = Math.ceil((this.#windowEndMs - nowMs) / 1000)
    response.setHeader('x-ratelimit-limit', this.#requestsPerMinute)
    response.setHeader('x-ratelimit-remaining', Math.max(0, this.#requestsPerMinute - this.#used))
    response.setHeader('x-ratelimit-reset', Math.ceil(this.#windowEndMs / 1000))
    if (this.#used <= this.#requestsPerMinute) return
    response.setHeader('retry-after', secondsLeft)
    throw new ApiFailure(429, { code: 'rate_limited', message: `over ${this.#requestsPerMinute} requests a minute` })
  }
}

function sendJson(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
}

function sendFailure(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  const failure =
    error instanceof ApiFailure
      ? error
      : new ApiFailure(500, { code: 'internal', message: error instanceof Error ? error.message : String(error) })
  const request_id = response.getHeader('x-request-id')
  const { status, apiCode: code, message, details } = failure
  // What is left unread of a body would be taken for the next request.
  response.setHeader('connection', 'close')
  sendJson(response, status, { error: { code, message, request_id, details } })
}
