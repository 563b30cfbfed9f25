import { describe, expect, it } from 'vitest'
import { ScrapeNestClient } from '../../src/index.ts'
import { failureOf } from '../failure-of.ts'
import { startStub } from '../stub-server.ts'

function clientOf(baseUrl: string, options: object = {}): ScrapeNestClient {
  return new ScrapeNestClient({ apiKey: 'sn_live_key', baseUrl, maxRetries: 0, ...options })
}

describe('webhook endpoints', () => {
  it('have an endpoint_id, which the guide calls id', async () => {
    const { url } = await startStub({
      status: 201,
      body: { id: 'ep_1', url: 'https://example.com', secret: 'whsec_1' },
    })
    const created = await clientOf(url).webhookEndpoints.create({ url: 'https://example.com' })
    expect(created).toMatchObject({ endpoint_id: 'ep_1', secret: 'whsec_1' })
  })

  it('get finds one in the list, and rejects with not_found if it is not there', async () => {
    const { url } = await startStub({ body: { items: [{ endpoint_id: 'a' }, { endpoint_id: 'b', name: 'B' }] } })
    expect(await clientOf(url).webhookEndpoints.get('b')).toMatchObject({ name: 'B' })
    await expect(clientOf(url).webhookEndpoints.get('c')).rejects.toMatchObject({ code: 'not_found', status: 404 })
  })

  it('iterMessages follows the cursor, and stops at one that does not move', async () => {
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

  it('iterMessages stops at cursors that alternate', async () => {
    const page = (message_id: string, iterator: string) => ({
      body: { items: [{ message_id }], iterator, done: false },
    })
    let count = 0
    const pages = [page('m1', 'a'), page('m2', 'b'), page('m3', 'a'), page('m4', 'b'), page('m5', 'a')]
    const { url } = await startStub(...pages)
    for await (const _ of clientOf(url).webhookEndpoints.iterMessages('e1')) count += 1
    expect(count).toBe(3)
  })

  const busy = { status: 503, headers: { 'retry-after': '0' } }
  const limited = { status: 429, headers: { 'retry-after': '0' } }

  it('create and rotateSecret are not retried after a 503, because a retry could repeat them', async () => {
    const { url, requests } = await startStub(busy)
    const { webhookEndpoints } = clientOf(url, { maxRetries: 3 })
    expect(await failureOf(webhookEndpoints.create({ url: 'https://example.com' }))).toMatchObject({ attempts: 1 })
    expect(await failureOf(webhookEndpoints.rotateSecret('ep_1'))).toMatchObject({ attempts: 1 })
    expect(requests).toHaveLength(2)
  })

  it('create and rotateSecret are retried after a 429, which did nothing', async () => {
    const { url, requests } = await startStub(limited, { body: { endpoint_id: 'ep_1', secret: 'whsec_x' } })
    const { secret } = await clientOf(url, { maxRetries: 1 }).webhookEndpoints.rotateSecret('ep_1')
    expect(secret).toBe('whsec_x')
    expect(requests).toHaveLength(2)
  })

  it('delete succeeds if a retry finds nothing, and rejects if the first attempt does', async () => {
    const { url } = await startStub(busy, { status: 404 })
    await clientOf(url, { maxRetries: 1 }).webhookEndpoints.delete('ep_1')
    const absent = await startStub({ status: 404 })
    expect(await failureOf(clientOf(absent.url).webhookEndpoints.delete('ep_1'))).toMatchObject({ code: 'not_found' })
  })
})
