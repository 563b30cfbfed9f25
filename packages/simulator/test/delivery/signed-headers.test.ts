import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { generateSecret } from '@scrapenest-webhooks/core'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { sampleEvent } from '../../src/index.ts'
import { afterTest, startReceiver } from '../local-receiver.ts'
import { accepted, repliesTo, subscribe } from '../local-simulator.ts'

describe('signatures', () => {
  it.each(['decoded', 'text', 'both'] as const)(
    'with signatureKey %s are accepted by a receiver',
    async (signatureKey) => {
      const { simulator } = await subscribe({ signatureKey })
      const [message] = simulator.send(sampleEvent('job.completed'))
      await simulator.idle()
      expect(repliesTo(message)).toEqual([accepted])
    },
  )

  it('use the secret that an endpoint is registered with', async () => {
    const { simulator } = await subscribe()
    const receiver = await startReceiver()
    receiver.secret = generateSecret()
    const endpoint = simulator.register({
      url: receiver.url,
      secret: receiver.secret,
      enabled_events: ['job.completed'],
    })
    simulator.send(sampleEvent('job.completed'))
    await simulator.idle()
    expect(receiver.events).toHaveLength(1)
    expect(endpoint.status).toBe('active')
    for (const refused of [{ url: 'https://example.com/' }, { url: receiver.url, secret: 'short' }]) {
      expect(() => simulator.register(refused)).toThrow(expect.objectContaining({ code: 'configuration_invalid' }))
    }
  })

  it.each([
    [600_000, 2],
    [0, 1],
  ])('after a rotation with an overlap of %i ms: %i per message', async (rotationOverlapMs, count) => {
    const seen: Record<string, string>[] = []
    const { simulator, client, endpointId, receiver } = await subscribe(
      { rotationOverlapMs, retryDelaysMs: [] },
      {
        secret: ({ headers }) => {
          seen.push(headers as Record<string, string>)
          return receiver.secret
        },
      },
    )
    const old = receiver.secret
    const { secret } = await client.webhookEndpoints.rotateSecret(endpointId)
    expect(secret).not.toBe(old)
    simulator.send(sampleEvent('job.completed'))
    receiver.secret = secret
    await simulator.idle()
    expect(seen[0]?.['svix-signature']?.split(' ')).toHaveLength(count)
    const [message] = simulator.messages
    expect(repliesTo(message)).toEqual([accepted])
    receiver.secret = old
    const [second] = simulator.send(sampleEvent('job.completed'))
    await simulator.idle()
    expect(second?.attempts[0]?.statusCode).toBe(count === 2 ? 202 : 400)
  })

  it('are accepted by the Standard Webhooks library', async () => {
    const requests: { url: string; headers: Record<string, string>; body: string }[] = []
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      const named = Object.entries(request.headers).map(([name, value]) => [
        name.replace('svix-', 'webhook-'),
        String(value),
      ])
      requests.push({
        url: request.url ?? '',
        headers: Object.fromEntries(named),
        body: Buffer.concat(chunks).toString(),
      })
      response.end()
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    afterTest(async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    })
    const { simulator, client } = await subscribe()
    const { secret } = await client.webhookEndpoints.create({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    })
    simulator.send({ ...sampleEvent('job.created'), org_slug: 'zürich' })
    await simulator.idle()
    const [request] = requests
    expect(new Webhook(secret).verify(request?.body ?? '', request?.headers ?? {})).toMatchObject({
      org_slug: 'zürich',
    })
  })
})
