import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  type AnyScrapeNestError,
  type ErrorResponseFacts,
  isScrapeNestError,
  ScrapeNestClient,
} from '../../src/index.ts'
import { failureOf } from '../failure-of.ts'
import { freeUrl, startServer, startStub, startTlsServer } from '../stub-server.ts'

const apiKey = 'sn_live_0123456789abcdef'
const submission = { job_type: 'light', target_url: 'https://shop.example/item/1' } as const
const job = { job_id: 'job_1', status: 'queued', created_at: '2026-02-03T10:15:00Z' }

function clientOf(baseUrl: string, options: object = {}): ScrapeNestClient {
  return new ScrapeNestClient({ apiKey, baseUrl, maxRetries: 0, ...options })
}

/** The error that the client creates from an error response. */
async function responseErrorOf(promise: Promise<unknown>): Promise<AnyScrapeNestError & ErrorResponseFacts> {
  const error = await failureOf(promise)
  if (isScrapeNestError(error) && 'body' in error) return error
  return expect.fail(`expected the error of a response, got ${inspect(error)}`)
}

/** Error responses as the API documents them, one for each status, and both forms of the body. */
const recorded = [
  [
    400,
    'request_invalid',
    { error: { code: 'bad_request', message: 'limit must be a number', request_id: 'req_400' } },
  ],
  [401, 'authentication_failed', { error: { code: 'invalid_api_key', message: 'unknown key', request_id: 'req_401' } }],
  [403, 'permission_denied', { error: { code: 'missing_scope', message: 'needs webhooks.manage' } }],
  [404, 'not_found', { error: { code: 'not_found', message: 'no such job' } }],
  [409, 'conflict', { error: 'conflict', message: 'already paused' }],
  [
    422,
    'validation_failed',
    {
      error: { code: 'validation_error', message: 'invalid', details: [{ field: 'target_url', message: 'not a URL' }] },
    },
  ],
  [429, 'rate_limited', { error: { code: 'rate_limited', message: 'slow down' } }],
  [500, 'server_error', { error: { code: 'internal', message: 'oops' } }],
  [502, 'server_error', '<html>Bad Gateway</html>'],
  [503, 'server_error', ''],
  [418, 'unexpected_status', '"teapot"'],
] as const

describe('errors of the API', () => {
  it.each(recorded)('%i becomes %s, with what the response says', async (status, code, body) => {
    const { url } = await startStub({ status, body, headers: { 'x-request-id': 'req_header' } })
    const error = await responseErrorOf(clientOf(url).jobs.get('job_1'))
    expect(error).toMatchObject({ code, status, request: 'GET /v1/jobs/job_1', attempts: 1 })
    expect(error.body).toBe(typeof body === 'string' ? body : JSON.stringify(body))
    expect(error.requestId).toBe([400, 401].includes(status) ? `req_${status}` : 'req_header')
    if (status === 422) expect(error.details).toEqual([{ field: 'target_url', message: 'not a URL' }])
    if (status === 409)
      expect(error).toMatchObject({ apiCode: 'conflict', message: expect.stringContaining('already paused') })
  })

  it('keeps 8 KiB of an endless response, and stops reading', async () => {
    const url = await startServer((_request, response) => {
      response.writeHead(500)
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 1)
      response.once('close', () => clearInterval(timer))
    })
    const error = await responseErrorOf(clientOf(url).jobs.get('job_1'))
    expect(error.code).toBe('server_error')
    expect(error.body.length).toBe(8192)
  })

  it('never shows the API key, even if the response quotes it', async () => {
    const body = { error: { code: 'invalid_api_key', message: `the key ${apiKey} is unknown`, request_id: apiKey } }
    const { url } = await startStub({ status: 401, body })
    const client = clientOf(url)
    const error = await responseErrorOf(client.jobs.get('job_1'))
    for (const shown of [
      error.message,
      error.body,
      String(error.stack),
      inspect(error, { depth: 9, showHidden: true }),
    ]) {
      expect(shown).not.toContain(apiKey)
    }
    expect(error.message).toContain('the key [redacted] is unknown')
    expect(inspect(client, { depth: 9, showHidden: true })).not.toContain(apiKey)
    expect(JSON.stringify(client)).not.toContain(apiKey)
  })

  it('shows nothing of a response that is not JSON: it may hold a secret', async () => {
    const { url } = await startStub({ body: 'whsec_leaked' })
    const error = await failureOf(clientOf(url).webhookEndpoints.rotateSecret('ep_1'))
    expect(error).toMatchObject({ code: 'response_invalid' })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('whsec_')
  })

  it('shows nothing of a manifest that is not JSON', async () => {
    const storage = await startServer((_request, response) => response.end('whsec_leaked'))
    const artifacts = [{ artifact_id: 'a1', artifact_type: 'manifest' }]
    const { url } = await startStub(
      { body: { ...job, artifacts } },
      { body: { artifact_id: 'a1', download_url: storage } },
    )
    const client = clientOf(url, { allowInsecure: true, allowPrivateAddresses: true })
    const error = await failureOf(client.jobs.getManifest('job_1'))
    expect(error).toMatchObject({ code: 'response_invalid', message: expect.stringContaining('manifest') })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('whsec_')
  })

  it('never shows the API key that a header quotes', async () => {
    const { url } = await startStub({ status: 401, headers: { 'x-request-id': `req-${apiKey}` } })
    const error = await responseErrorOf(clientOf(url).jobs.get('job_1'))
    expect(error.requestId).toBe('req-[redacted]')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(apiKey)
  })

  it.each([
    ['not JSON', '<html>'],
    ['JSON, but not an object', '[]'],
    ['without the fields it needs', {}],
  ])('a success that is %s is response_invalid', async (_what, body) => {
    const { url } = await startStub({ body })
    expect(await failureOf(clientOf(url).jobs.get('job_1'))).toMatchObject({ code: 'response_invalid' })
  })

  it('does not follow a redirect with the key', async () => {
    const elsewhere = await startStub({ body: job })
    const { url } = await startStub({ status: 307, headers: { location: `${elsewhere.url}/v1/jobs/job_1` } })
    expect(await failureOf(clientOf(url).jobs.get('job_1'))).toMatchObject({ code: 'unexpected_status', status: 307 })
    expect(elsewhere.requests).toEqual([])
  })

  it('escapes ids, so that none leads to another path', async () => {
    const { url, requests } = await startStub({ body: { ...job, artifacts: [] } })
    await clientOf(url).jobs.get('../keys?x=1#y')
    expect(requests[0]?.url).toBe('/v1/jobs/..%2Fkeys%3Fx%3D1%23y')
    for (const id of ['', '.', '..']) await expect(clientOf(url).jobs.get(id)).rejects.toBeInstanceOf(TypeError)
    expect(requests).toHaveLength(1)
  })
})

describe('retries', () => {
  const busy = { status: 503, headers: { 'retry-after': '0' } }

  it.each([
    ['without one from the caller', submission],
    ['with an explicit undefined', { ...submission, idempotency_token: undefined }],
  ])('retries a submission under the same idempotency_token, %s', async (_what, request) => {
    const { url, requests } = await startStub(busy, busy, { status: 201, body: job })
    await clientOf(url, { maxRetries: 2 }).scrapeAsync(request)
    const tokens = requests.map(({ body }) => JSON.parse(body).idempotency_token)
    expect(tokens).toHaveLength(3)
    expect(new Set(tokens).size).toBe(1)
    expect(tokens[0]).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('sends the caller’s token, and reports that it belongs to an earlier job', async () => {
    const { url, requests } = await startStub({ status: 200, body: job })
    const submitted = await clientOf(url).submit({ ...submission, idempotency_token: 'nightly-1' })
    expect(submitted.idempotent_replay).toBe(true)
    expect(JSON.parse(requests[0]?.body ?? '')).toEqual({ ...submission, idempotency_token: 'nightly-1' })
  })

  it('waits as long as Retry-After says', async () => {
    const { url } = await startStub({ status: 429, headers: { 'retry-after': '1' } }, { body: { items: [], total: 0 } })
    const startedMs = performance.now()
    await clientOf(url, { maxRetries: 1 }).jobs.list()
    expect(performance.now() - startedMs).toBeGreaterThan(950)
  })

  it('without Retry-After, waits for the end of the rate window', async () => {
    const reset = String(Math.floor(Date.now() / 1000) + 1)
    const headers = { 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }
    const { url } = await startStub({ status: 429, headers }, { body: { items: [], total: 0 } })
    await clientOf(url, { maxRetries: 1 }).jobs.list()
    expect(Date.now()).toBeGreaterThanOrEqual(Number(reset) * 1000 - 50)
  })

  it('leaves a long Retry-After to the caller', async () => {
    const { url, requests } = await startStub({ status: 429, headers: { 'retry-after': '3600' } })
    const error = await failureOf(clientOf(url, { maxRetries: 5 }).jobs.list())
    expect(error).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 3600, attempts: 1 })
    expect(requests).toHaveLength(1)
  })

  it('does not retry a server whose certificate is rejected, and says what to do', async () => {
    let connections = 0
    const url = await startTlsServer(
      (_request, response) => response.end('{}'),
      () => {
        connections += 1
      },
    )
    const { jobs, webhookEndpoints } = clientOf(url, { maxRetries: 2 })
    for (const call of [() => jobs.get('job_1'), () => webhookEndpoints.create({ url: 'https://example.com' })]) {
      connections = 0
      expect(await failureOf(call())).toMatchObject({
        code: 'connection_failed',
        attempts: 1,
        message: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
      })
      expect(connections).toBe(1)
    }
  })

  it('does not retry a port that fetch blocks, and says so', async () => {
    expect(await failureOf(clientOf('http://127.0.0.1:6667', { maxRetries: 2 }).jobs.get('job_1'))).toMatchObject({
      code: 'connection_failed',
      attempts: 1,
      message: expect.stringContaining('fetch does not connect to this port'),
    })
  })

  it('gives up after maxRetries', async () => {
    const { url, requests } = await startStub(busy)
    expect(await failureOf(clientOf(url, { maxRetries: 2 }).jobs.list())).toMatchObject({
      code: 'server_error',
      attempts: 3,
    })
    expect(requests).toHaveLength(3)
  })
})

describe('connections', () => {
  it('rejects with connection_failed if nothing listens, after a retry', async () => {
    const error = await failureOf(
      clientOf(await freeUrl(), { maxRetries: 1 }).webhookEndpoints.create({ url: 'https://x.example' }),
    )
    expect(error).toMatchObject({
      code: 'connection_failed',
      attempts: 2,
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('rejects with connection_failed if the connection breaks, and does not retry a request that may have taken effect', async () => {
    let count = 0
    const url = await startServer((request) => {
      count += 1
      request.socket.destroy()
    })
    expect(await failureOf(clientOf(url, { maxRetries: 2 }).webhookEndpoints.rotateSecret('ep_1'))).toMatchObject({
      code: 'connection_failed',
    })
    expect(count).toBe(1)
    await failureOf(clientOf(url, { maxRetries: 2 }).jobs.get('job_1'))
    expect(count).toBe(4)
  })

  it('rejects with request_timeout after timeoutMs, also in the middle of a body', async () => {
    const url = await startServer((_request, response) => response.writeHead(200).write('{'))
    const error = await failureOf(clientOf(url, { timeoutMs: 100 }).jobs.get('job_1'))
    expect(error).toMatchObject({ code: 'request_timeout', timeoutMs: 100 })
  })

  it.each(['before', 'while it waits', 'between two attempts'])(
    'rejects with the reason of a signal aborted %s',
    async (when) => {
      const url = await startServer((_request, response) => {
        if (when === 'between two attempts') response.writeHead(503, { 'retry-after': '20' }).end()
      })
      const reason = new Error('enough')
      const controller = new AbortController()
      if (when === 'before') controller.abort(reason)
      else setTimeout(() => controller.abort(reason), 100)
      expect(await failureOf(clientOf(url, { maxRetries: 1 }).jobs.get('job_1', { signal: controller.signal }))).toBe(
        reason,
      )
    },
  )

  it('rejects with the TypeError of a request that cannot be JSON, and sends nothing', async () => {
    const { url, requests } = await startStub({ body: job })
    const circular: Record<string, unknown> = {}
    circular['headers'] = circular
    await expect(clientOf(url).submit({ ...submission, ...circular })).rejects.toBeInstanceOf(TypeError)
    expect(requests).toEqual([])
  })

  it('sends calls with the current global fetch, which a mock may have replaced', async () => {
    const { url, requests } = await startStub({ body: { items: [], total: 0 } })
    const client = clientOf(url)
    const mock = vi.fn(async () => Response.json({ items: [], total: 0 }))
    vi.stubGlobal('fetch', mock)
    onTestFinished(() => void vi.unstubAllGlobals())
    await client.jobs.list()
    expect(mock).toHaveBeenCalledTimes(1)
    expect(requests).toEqual([])
  })

  it.each<[string, unknown, string]>([
    ['its message', new TypeError('x is not a function'), 'after 1 attempt: x is not a function.'],
    ['its cause', new TypeError('fetch failed', { cause: new Error('no route') }), 'after 1 attempt: no route.'],
    ['no message', new TypeError(), 'after 1 attempt: unknown reason.'],
    ['no error', 'text', 'after 1 attempt: unknown reason.'],
    ['the API key', new Error(`refused x-api-key ${apiKey}`), 'after 1 attempt: refused x-api-key [redacted].'],
  ])('a failure without a code says what happened: %s', async (_what, failure, ending) => {
    const client = clientOf('https://api.example', { fetch: () => Promise.reject(failure) })
    expect(await failureOf(client.jobs.list())).toMatchObject({
      code: 'connection_failed',
      message: `GET /v1/jobs failed ${ending}`,
    })
  })

  it('sends calls with the fetch option', async () => {
    const urls: string[] = []
    const client = clientOf('https://api.example/api/', {
      fetch: async (url: string) => {
        urls.push(url)
        return Response.json({ items: [], total: 0 })
      },
    })
    await client.jobs.list({ status: 'failed', limit: 5 })
    expect(urls).toEqual(['https://api.example/api/v1/jobs?status=failed&limit=5'])
  })
})
