import { describe, expect, it } from 'vitest'
import { ScrapeNestClient } from '../../src/index.ts'
import { startStub } from '../stub-server.ts'

const at = '2026-02-03T10:15:00Z'

function clientOf(baseUrl: string): ScrapeNestClient {
  return new ScrapeNestClient({ apiKey: 'sn_live_key', baseUrl, maxRetries: 0 })
}

type Call = (client: ScrapeNestClient) => Promise<unknown>
const url = 'https://example.com/hooks'

/** Each call, what it sends (ScrapeNest's SDK, `_ops.py`), and an answer of the API's shape. */
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

describe('webhook endpoints', () => {
  it('read the id of the guide as that of the SDK', async () => {
    const { url } = await startStub({
      status: 201,
      body: { id: 'ep_1', url: 'https://example.com', secret: 'whsec_1' },
    })
    const created = await clientOf(url).webhookEndpoints.create({ url: 'https://example.com' })
    expect(created).toMatchObject({ endpoint_id: 'ep_1', secret: 'whsec_1' })
  })

  it('get picks one of the list, and reports one that is not there', async () => {
    const { url } = await startStub({ body: { items: [{ endpoint_id: 'a' }, { endpoint_id: 'b', name: 'B' }] } })
    expect(await clientOf(url).webhookEndpoints.get('b')).toMatchObject({ name: 'B' })
    await expect(clientOf(url).webhookEndpoints.get('c')).rejects.toMatchObject({ code: 'not_found', status: 404 })
  })

  it('walk the pages of messages by their cursor, and stop at one that does not move', async () => {
    const { url, requests } = await startStub(
      { body: { items: [{ message_id: 'm1' }], iterator: 'next', done: false } },
      { body: { items: [{ message_id: 'm2' }], iterator: 'next', done: false } },
    )
    const ids = []
    for await (const { message_id } of clientOf(url).webhookEndpoints.iterMessages('e1')) ids.push(message_id)
    expect(ids).toEqual(['m1', 'm2'])
    expect(requests.map((request) => request.url)).toEqual([
      '/v1/webhook-endpoints/e1/messages?limit=50',
      '/v1/webhook-endpoints/e1/messages?limit=50&iterator=next',
    ])
  })
})

describe('jobs', () => {
  it('iter walks the pages by offset', async () => {
    const page = (ids: string[]) => ({ body: { items: ids.map((job_id) => ({ job_id })), total: 3 } })
    const { url, requests } = await startStub(page(['1', '2']), page(['3']))
    const ids = []
    for await (const { job_id } of clientOf(url).jobs.iter({ status: 'failed', pageSize: 2 })) ids.push(job_id)
    expect(ids).toEqual(['1', '2', '3'])
    expect(requests.map((request) => request.url)).toEqual([
      '/v1/jobs?status=failed&limit=2&offset=0',
      '/v1/jobs?status=failed&limit=2&offset=2',
    ])
  })

  it('read the size of an artifact under its former name too', async () => {
    const artifacts = [{ artifact_id: 'a1', artifact_type: 'html', size_bytes: 7 }]
    const { url } = await startStub({ body: { job_id: 'j1', status: 'succeeded', artifacts } })
    expect((await clientOf(url).jobs.get('j1')).artifacts).toEqual([
      { artifact_id: 'a1', artifact_type: 'html', byte_size: 7 },
    ])
  })

  const submitted = { status: 201, body: { job_id: 'j1', status: 'queued' } }
  const request = { job_type: 'light', target_url: 'https://shop.example' } as const

  it('scrape submits and looks until the job has ended', async () => {
    const { url, requests } = await startStub(
      submitted,
      { body: { job_id: 'j1', status: 'running' } },
      { body: { job_id: 'j1', status: 'succeeded', outcome: 'success' } },
    )
    expect(await clientOf(url).scrape(request, { pollMs: 5 })).toMatchObject({ status: 'succeeded', artifacts: [] })
    expect(requests).toHaveLength(3)
  })

  it('a failed job throws job_failed, or is given back when asked for', async () => {
    const failed = { body: { job_id: 'j1', status: 'failed', failure_reason: 'timeout' } }
    const { url } = await startStub(submitted, failed)
    await expect(clientOf(url).scrape(request)).rejects.toMatchObject({
      code: 'job_failed',
      jobId: 'j1',
      failureReason: 'timeout',
    })
    expect(await clientOf(url).jobs.wait('j1', { returnFailed: true })).toMatchObject({ status: 'failed' })
  })

  it('a job that does not end in time throws job_timeout', async () => {
    const { url } = await startStub({ body: { job_id: 'j1', status: 'running' } })
    await expect(clientOf(url).jobs.wait('j1', { timeoutMs: 60, pollMs: 20 })).rejects.toMatchObject({
      code: 'job_timeout',
      jobId: 'j1',
      timeoutMs: 60,
    })
  })

  it('getManifest is undefined while there is none', async () => {
    const { url } = await startStub({ body: { job_id: 'j1', status: 'running' } })
    expect(await clientOf(url).jobs.getManifest('j1')).toBeUndefined()
  })
})
