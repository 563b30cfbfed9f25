import { describe, expect, it, onTestFinished } from 'vitest'
import { ScrapeNestClient } from '../src/index.ts'
import { type StubResponse, startServer, startStub } from './stub-server.ts'

const at = '2026-02-03T10:15:00Z'

function clientOf(baseUrl: string): ScrapeNestClient {
  return new ScrapeNestClient({ apiKey: 'sn_live_key', baseUrl, maxRetries: 0 })
}

type Call = (client: ScrapeNestClient) => Promise<unknown>
const url = 'https://example.com/hooks'
const submission = { job_type: 'light', target_url: 'https://shop.example' } as const

/** Each call, the request it sends (see `_ops.py` in ScrapeNest's SDK), and a response in the API's format. */
const calls: readonly (readonly [string, Call, string, object | undefined, object])[] = [
  [
    'jobs.get',
    (c) => c.jobs.get('j1', { include_download_urls: true, ttl_seconds: 60 }),
    'GET /v1/jobs/j1?include_download_urls=true&ttl_seconds=60',
    undefined,
    { job_id: 'j1', status: 'queued' },
  ],
  [
    'jobs.list',
    (c) => c.jobs.list({ tag: 'batch:nightly', from: at, offset: 50 }),
    'GET /v1/jobs?tag=batch%3Anightly&from=2026-02-03T10%3A15%3A00Z&offset=50',
    undefined,
    { items: [], total: 0 },
  ],
  [
    'jobs.stats',
    (c) => c.jobs.stats({ job_type: 'stealth' }),
    'GET /v1/jobs/stats?job_type=stealth',
    undefined,
    { buckets: [], totals: {} },
  ],
  [
    'artifacts.getDownloadUrl',
    (c) => c.artifacts.getDownloadUrl('a1', { ttl_seconds: 30 }),
    'GET /v1/artifacts/a1/download?ttl_seconds=30',
    undefined,
    { download_url: 'https://x.example/1' },
  ],
  ['webhookEndpoints.list', (c) => c.webhookEndpoints.list(), 'GET /v1/webhook-endpoints', undefined, { items: [] }],
  [
    'webhookEndpoints.create',
    (c) => c.webhookEndpoints.create({ url, enabled_events: ['artifact.ready'] }),
    'POST /v1/webhook-endpoints',
    { url, enabled_events: ['artifact.ready'], name: 'example.com' },
    { endpoint_id: 'e1', secret: 'whsec_1' },
  ],
  [
    'webhookEndpoints.update',
    (c) => c.webhookEndpoints.update('e1', { url, name: 'n', metadata: { team: 'a' } }),
    'PUT /v1/webhook-endpoints/e1',
    { url, name: 'n', metadata: { team: 'a' } },
    { endpoint_id: 'e1' },
  ],
  ['webhookEndpoints.delete', (c) => c.webhookEndpoints.delete('e1'), 'DELETE /v1/webhook-endpoints/e1', undefined, {}],
  [
    'webhookEndpoints.rotateSecret',
    (c) => c.webhookEndpoints.rotateSecret('e1'),
    'POST /v1/webhook-endpoints/e1/rotate-secret',
    undefined,
    { secret: 'whsec_2' },
  ],
  [
    'webhookEndpoints.pause',
    (c) => c.webhookEndpoints.pause('e1'),
    'POST /v1/webhook-endpoints/e1/pause',
    undefined,
    { status: 'paused' },
  ],
  [
    'webhookEndpoints.resume',
    (c) => c.webhookEndpoints.resume('e1'),
    'POST /v1/webhook-endpoints/e1/resume',
    undefined,
    { status: 'active' },
  ],
  [
    'webhookEndpoints.messages',
    (c) => c.webhookEndpoints.messages('e1', { limit: 2, iterator: 'i1' }),
    'GET /v1/webhook-endpoints/e1/messages?limit=2&iterator=i1',
    undefined,
    { items: [] },
  ],
  [
    'webhookEndpoints.attempts',
    (c) => c.webhookEndpoints.attempts('e1', 'm1', { limit: 2 }),
    'GET /v1/webhook-endpoints/e1/messages/m1/attempts?limit=2',
    undefined,
    { items: [] },
  ],
]

describe('each call sends what ScrapeNest documents', () => {
  it.each(calls)('%s', async (_name, call, expected, json, body) => {
    const { url, requests } = await startStub({ body })
    await call(clientOf(url))
    const [sent] = requests
    expect(`${sent?.method} ${sent?.url}`).toBe(expected)
    expect(sent?.headers['x-api-key']).toBe('sn_live_key')
    expect(sent?.body === '' ? undefined : JSON.parse(sent?.body ?? '')).toEqual(json)
  })
})

describe('options', () => {
  it.each([
    [{}, /SCRAPENEST_API_KEY/],
    [{ apiKey: '' }, /SCRAPENEST_API_KEY/],
    [{ apiKey: 'a', accessToken: 'b' }, /either apiKey or accessToken/],
    [{ apiKey: 'sn_live_x\n' }, /line break/],
    [{ apiKey: 'x', baseUrl: 'http://api.example' }, /https/],
    [{ apiKey: 'x', baseUrl: 'api.example' }, /baseUrl/],
    [{ apiKey: 'x', baseUrl: 'https://:pw@api.example' }, /password/],
    [{ apiKey: 'x', baseUrl: 'https://user:pw@api.example' }, /user name/],
    [{ apiKey: 'x', maxRetries: -1 }, /maxRetries/],
    [{ apiKey: 'x', timeoutMs: 0.5 }, /timeoutMs/],
    [{ apiKey: 'x', timeout: 5 }, /Unknown option "timeout"/],
  ])('rejects %o', (options, message) => {
    expect(() => new ScrapeNestClient(options)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringMatching(message) }),
    )
  })

  it.each([
    'https://:hunter2@api.example',
    'https://hunter2@api.example',
    'https://user:hunter2@api.example',
    'https://user:hunter2@api example',
    'http://user:hunter2@api.example',
  ])('rejects a baseUrl with user info and does not show it: %s', (baseUrl) => {
    const create = () => new ScrapeNestClient({ apiKey: 'x', baseUrl })
    expect(create).toThrow(expect.objectContaining({ code: 'configuration_invalid' }))
    expect(create).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hunter2') }))
  })

  it('are own properties: a polluted prototype sets none', async () => {
    const { url, requests } = await startStub({ body: { items: [] } })
    const client = (): ScrapeNestClient => new ScrapeNestClient({ apiKey: 'x', maxRetries: 0 })
    const prototype: Record<string, unknown> = Object.prototype as never
    const polluted = { allowInsecure: true, allowPrivateAddresses: true, accessToken: 'y', baseUrl: url }
    Object.assign(prototype, polluted)
    onTestFinished(() => {
      for (const name of Object.keys(polluted)) delete prototype[name]
    })
    await expect(client().artifacts.downloadText(url)).rejects.toMatchObject({ code: 'url_not_allowed' })
    await expect(client().artifacts.download(url, { to: '/nowhere/file' })).rejects.toMatchObject({
      code: 'url_not_allowed',
    })
    const secure = url.replace('http:', 'https:')
    await expect(client().artifacts.downloadText(secure)).rejects.toMatchObject({ code: 'address_not_allowed' })
    await expect(client().artifacts.download(secure, { to: '/nowhere/file' })).rejects.toMatchObject({
      code: 'address_not_allowed',
    })
    expect(requests).toEqual([])
  })

  it('sends an access token as a bearer token, and no key', async () => {
    const { url, requests } = await startStub({ body: { items: [] } })
    await new ScrapeNestClient({ accessToken: 'token_1', baseUrl: url }).webhookEndpoints.list()
    expect(requests[0]?.headers).toMatchObject({ authorization: 'Bearer token_1' })
    expect(requests[0]?.headers['x-api-key']).toBeUndefined()
  })
})

describe('scrape', () => {
  const submitted = { status: 201, body: { job_id: 'j1', status: 'queued' } }

  it('submits a job and polls it until it has ended', async () => {
    const { url, requests } = await startStub(
      submitted,
      { body: { job_id: 'j1', status: 'running' } },
      { body: { job_id: 'j1', status: 'succeeded', outcome: 'success' } },
    )
    expect(await clientOf(url).scrape(submission, { pollMs: 5 })).toMatchObject({ status: 'succeeded', artifacts: [] })
    expect(requests).toHaveLength(3)
  })

  it('has one time limit for the submission and the job', async () => {
    const url = await startServer(() => {})
    await expect(clientOf(url).scrape(submission, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'request_timeout',
      timeoutMs: 100,
    })

    const { url: running } = await startStub(submitted, { body: { job_id: 'j1', status: 'running' } })
    await expect(clientOf(running).scrape(submission, { timeoutMs: 1500, pollMs: 20 })).rejects.toMatchObject({
      code: 'job_timeout',
      jobId: 'j1',
      timeoutMs: 1500,
    })
  })

  it('submits nothing if an option is invalid', async () => {
    const { url, requests } = await startStub(submitted)
    await expect(clientOf(url).scrape(submission, { pollMs: 0 })).rejects.toMatchObject({
      code: 'configuration_invalid',
    })
    expect(requests).toEqual([])
  })

  it('rejects with the failure of the job', async () => {
    const failed = { body: { job_id: 'j1', status: 'failed', failure_reason: 'timeout' } }
    const { url } = await startStub(submitted, failed)
    await expect(clientOf(url).scrape(submission)).rejects.toMatchObject({
      code: 'job_failed',
      jobId: 'j1',
      failureReason: 'timeout',
    })
  })
})

describe('an explicit undefined means the default', () => {
  /** The options of each call, all of them undefined, and a body that satisfies every call. */
  const none = { signal: undefined }
  const success = {
    body: { job_id: 'j1', status: 'succeeded', items: [], total: 0, buckets: [], totals: {}, done: true },
  }
  const filter = {
    status: undefined,
    job_type: undefined,
    job_id: undefined,
    target_url: undefined,
    tag: undefined,
    from: undefined,
    to: undefined,
  }
  const waiting = { ...none, timeoutMs: undefined, pollMs: undefined, returnFailed: undefined }
  const request = { ...submission, timeout_ms: undefined, tags: undefined, idempotency_token: undefined }
  const settings = { url, name: undefined, enabled_events: undefined, description: undefined, metadata: undefined }
  const endpoint = { body: { endpoint_id: 'e1', secret: 'whsec_1', status: 'active', items: [], download_url: 'x' } }
  const drain = async (items: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of items);
  }

  const pairs: readonly (readonly [name: string, withDefaults: Call, withUndefined: Call, response: StubResponse])[] = [
    ['submit', (c) => c.submit(submission), (c) => c.submit(request, none), success],
    ['scrapeAsync', (c) => c.scrapeAsync(submission), (c) => c.scrapeAsync(request, none), success],
    ['scrape', (c) => c.scrape(submission), (c) => c.scrape(request, waiting), success],
    ['jobs.create', (c) => c.jobs.create(submission), (c) => c.jobs.create(request, none), success],
    [
      'jobs.get',
      (c) => c.jobs.get('j1'),
      (c) => c.jobs.get('j1', { ...none, include_download_urls: undefined, ttl_seconds: undefined }),
      success,
    ],
    [
      'jobs.list',
      (c) => c.jobs.list(),
      (c) => c.jobs.list({ ...none, ...filter, limit: undefined, offset: undefined }),
      success,
    ],
    [
      'jobs.iter',
      (c) => drain(c.jobs.iter()),
      (c) => drain(c.jobs.iter({ ...none, ...filter, pageSize: undefined })),
      success,
    ],
    [
      'jobs.stats',
      (c) => c.jobs.stats(),
      (c) => c.jobs.stats({ ...none, from: undefined, to: undefined, job_type: undefined }),
      success,
    ],
    ['jobs.wait', (c) => c.jobs.wait('j1'), (c) => c.jobs.wait('j1', waiting), success],
    ['jobs.getManifest', (c) => c.jobs.getManifest('j1'), (c) => c.jobs.getManifest('j1', none), success],
    [
      'artifacts.getDownloadUrl',
      (c) => c.artifacts.getDownloadUrl('a1'),
      (c) => c.artifacts.getDownloadUrl('a1', { ...none, ttl_seconds: undefined }),
      endpoint,
    ],
    [
      'webhookEndpoints.create',
      (c) => c.webhookEndpoints.create({ url }),
      (c) => c.webhookEndpoints.create(settings, none),
      endpoint,
    ],
    [
      'webhookEndpoints.update',
      (c) => c.webhookEndpoints.update('e1', { url }),
      (c) => c.webhookEndpoints.update('e1', settings, none),
      endpoint,
    ],
    [
      'webhookEndpoints.messages',
      (c) => c.webhookEndpoints.messages('e1'),
      (c) => c.webhookEndpoints.messages('e1', { ...none, limit: undefined, iterator: undefined }),
      success,
    ],
    [
      'webhookEndpoints.iterMessages',
      (c) => drain(c.webhookEndpoints.iterMessages('e1')),
      (c) => drain(c.webhookEndpoints.iterMessages('e1', { ...none, pageSize: undefined })),
      success,
    ],
    [
      'webhookEndpoints.attempts',
      (c) => c.webhookEndpoints.attempts('e1', 'm1'),
      (c) => c.webhookEndpoints.attempts('e1', 'm1', { ...none, limit: undefined, iterator: undefined }),
      success,
    ],
  ]

  it.each(pairs)('%s', async (_name, withDefaults, withUndefined, response) => {
    const sent = async (call: Call): Promise<readonly object[]> => {
      const { url, requests } = await startStub(response)
      await call(clientOf(url))
      // Every submission has its own token.
      return requests.map(({ method, url, body }) => ({ method, url, body: body.replace(/[0-9a-f-]{36}/, '<token>') }))
    }
    const expected = await sent(withDefaults)

    expect(expected.length).toBeGreaterThan(0)
    expect(await sent(withUndefined)).toEqual(expected)
  })

  it('a submission is retried under one generated token', async () => {
    const { url, requests } = await startStub(
      { status: 503, headers: { 'retry-after': '0' } },
      { status: 201, ...success },
    )
    const client = new ScrapeNestClient({ apiKey: 'sn_live_key', baseUrl: url })
    await client.scrapeAsync({ ...submission, idempotency_token: undefined })
    const tokens = requests.map((request) => JSON.parse(request.body).idempotency_token)
    expect(tokens).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), tokens[0]])
  })

  it('new ScrapeNestClient', () => {
    const options = {
      accessToken: undefined,
      baseUrl: undefined,
      fetch: undefined,
      timeoutMs: undefined,
      maxRetries: undefined,
      allowInsecure: undefined,
      allowPrivateAddresses: undefined,
    }
    expect(() => new ScrapeNestClient({ apiKey: 'sn_live_key', ...options })).not.toThrow()
  })

  it('artifacts.downloadText', async () => {
    const { url } = await startStub({ body: 'page' })
    const options = { maxBytes: undefined, sha256: undefined, onProgress: undefined, signal: undefined }
    const client = new ScrapeNestClient({ apiKey: 'sn_live_key', allowInsecure: true, allowPrivateAddresses: true })
    const inherited = { allowInsecure: undefined, allowPrivateAddresses: undefined, encoding: undefined }
    expect(await client.artifacts.downloadText(url, { ...options, ...inherited })).toBe('page')
  })
})
