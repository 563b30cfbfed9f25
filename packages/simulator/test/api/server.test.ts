import { request as httpRequest, type IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { clientOf, setUp } from '../local-simulator.ts'

describe('the API', () => {
  it('is served under both prefixes', async () => {
    const { simulator, client } = await setUp()
    const { endpoint_id } = await client.webhookEndpoints.create({ url: 'http://localhost:1/' })
    const guide = clientOf(simulator, { baseUrl: `${simulator.url}/api` })
    expect(await guide.webhookEndpoints.get(endpoint_id)).toMatchObject({ endpoint_id, name: 'localhost:1' })
  })

  it('replaces the settings of an endpoint on update', async () => {
    const { client } = await setUp()
    const url = 'http://127.0.0.1:1/'
    const { endpoint_id } = await client.webhookEndpoints.create({ url, description: 'first', metadata: { team: 'a' } })
    expect(await client.webhookEndpoints.update(endpoint_id, { url, name: 'n' })).toMatchObject({
      name: 'n',
      description: null,
      metadata: {},
    })
    const { secret_prefix } = await client.webhookEndpoints.get(endpoint_id)
    const rotated = await client.webhookEndpoints.rotateSecret(endpoint_id)
    expect(rotated.secret_prefix).not.toBe(secret_prefix)
  })

  it('refuses a wrong key, unknown ids, URLs on other machines, and bodies that are not JSON', async () => {
    const { simulator, client } = await setUp()
    await expect(clientOf(simulator, { apiKey: 'sn_live_other' }).jobs.list()).rejects.toMatchObject({
      code: 'authentication_failed',
      requestId: expect.stringMatching(/^req_/),
    })
    await expect(client.jobs.get('none')).rejects.toMatchObject({ code: 'not_found' })
    await expect(client.artifacts.getDownloadUrl('none')).rejects.toMatchObject({ code: 'not_found' })
    for (const url of ['https://example.com/', 'http://192.168.0.1/', 'http://localhost.example.com/', 'nowhere']) {
      await expect(client.webhookEndpoints.create({ url })).rejects.toMatchObject({
        code: 'validation_failed',
        details: [{ field: 'url' }],
      })
    }
    const headers = { 'x-api-key': simulator.apiKey }
    expect((await fetch(`${simulator.url}/v1/jobs`, { method: 'POST', headers, body: '{' })).status).toBe(400)
    expect((await fetch(`${simulator.url}/v2/jobs`, { headers })).status).toBe(404)
    expect(
      (await fetch(`${simulator.url}/v1/jobs`, { headers: { authorization: `Bearer ${simulator.apiKey}` } })).status,
    ).toBe(200)
  })

  it.each([
    ['//', 404],
    ['//127.0.0.1/v1/jobs', 404],
    ['http://[::1', 404],
    ['*', 404],
    ['/v1/jobs/%E0%A4%A', 404],
    ['/storage/%2e%2e%2f%2e%2e', 403],
    ['http://127.0.0.1/v1/jobs', 200],
  ])('answers a request for %s with %i', async (path, status) => {
    const { simulator } = await setUp()
    const { port } = new URL(simulator.url)
    const request = httpRequest({ host: '127.0.0.1', port, path, headers: { 'x-api-key': simulator.apiKey } }).end()
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject)
    })
    response.resume()
    expect(response.statusCode).toBe(status)
  })

  it('refuses requests with a foreign Host header', async () => {
    const { simulator } = await setUp()
    const status = await new Promise((resolve, reject) => {
      const headers = { host: 'attacker.example', 'x-api-key': simulator.apiKey }
      httpRequest(`${simulator.url}/v1/jobs`, { headers }, ({ statusCode }) => resolve(statusCode))
        .on('error', reject)
        .end()
    })
    expect(status).toBe(403)
  })

  it('limits the request rate and reports the limit', async () => {
    const { client, simulator } = await setUp({ requestsPerMinute: 2 })
    await client.jobs.list()
    const headers = { 'x-api-key': simulator.apiKey }
    const second = await fetch(`${simulator.url}/v1/jobs`, { headers })
    expect(second.headers.get('x-ratelimit-remaining')).toBe('0')
    await expect(client.jobs.list()).rejects.toMatchObject({
      code: 'rate_limited',
      retryAfterSeconds: expect.any(Number),
    })
  })

  it('does not count requests without a key, which any web page can send', async () => {
    const { client, simulator } = await setUp({ requestsPerMinute: 1 })
    const withoutKey = { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } }
    for (let count = 0; count < 3; count += 1) {
      expect((await fetch(`${simulator.url}/v1/jobs`, withoutKey)).status).toBe(401)
    }
    expect(await client.jobs.list()).toMatchObject({ total: 0 })
  })
})
