import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { createEvent, generateSecret } from '@scrapenest-webhooks/testing'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { type Fault, type Message, type Simulator, type SimulatorOptions, startSimulator } from '../src/index.ts'
import { afterTest, type LocalReceiver, startReceiver } from './local-receiver.ts'

interface Setting {
  readonly simulator: Simulator
  readonly client: ScrapeNestClient
  readonly receiver: LocalReceiver
  readonly endpointId: string
}

async function setUp(
  options: SimulatorOptions = {},
  receiving: Parameters<typeof startReceiver>[0] = {},
): Promise<Setting> {
  const simulator = await startSimulator({ speed: 100, retryDelaysMs: [1_000, 2_000, 4_000], ...options })
  afterTest(() => simulator.close())
  const client = new ScrapeNestClient({ apiKey: simulator.apiKey, baseUrl: simulator.url })
  const receiver = await startReceiver(receiving)
  const { secret, endpoint_id } = await client.webhookEndpoints.create({ url: receiver.url })
  receiver.secret = secret
  return { simulator, client, receiver, endpointId: endpoint_id }
}

function replies(message: Message | undefined): (string | number | undefined)[] {
  return (
    message?.attempts.map(({ statusCode, responseBody, failure }) => failure ?? `${statusCode} ${responseBody}`) ?? []
  )
}

const accepted = '202 {"status":"accepted"}'
const duplicate = '202 {"status":"duplicate"}'

describe('a delivery', () => {
  it('is accepted by a receiver, and by an implementation that is not ours', async () => {
    const bodies: string[] = []
    const { simulator, receiver } = await setUp(
      {},
      {
        onEvent: {
          '*': (_event, { rawBody }) => void bodies.push(Buffer.from(rawBody).toString()),
        },
      },
    )
    const event = createEvent('job.completed', { org_slug: 'zürich' })
    const [message] = simulator.send({ ...event })
    await simulator.idle()
    expect(replies(message)).toEqual([accepted])
    expect(message?.status).toBe('succeeded')
    expect(JSON.parse(bodies[0] ?? '')).toEqual(event)
    expect(bodies[0]).not.toBe(JSON.stringify(event))
    expect(receiver.outcomes[0]?.messageId).toBe(message?.id)
  })

  const firstReply: Readonly<Record<Fault, RegExp>> = {
    duplicate: /^202 .*accepted/,
    reorder: /^202 .*accepted/,
    tamper: /^400 .*signature_mismatch/,
    stale: /^400 .*timestamp_outside_tolerance/,
    slow: /^202 .*accepted/,
    reserialize: /^400 .*signature_mismatch/,
    drop: /dropped/,
  }

  it.each(Object.entries(firstReply) as [Fault, RegExp][])(
    'with the fault %s is answered %s, and nothing is lost',
    async (fault, first) => {
      const { simulator, receiver } = await setUp()
      const event = createEvent('artifact.ready')
      const [message] = simulator.send({ ...event }, [fault])
      await simulator.idle()
      const seen = replies(message)
      expect(seen[0]).toMatch(first)
      expect(seen.at(-1)).toBe(fault === 'duplicate' ? duplicate : accepted)
      expect(message?.attempts[0]?.faults).toEqual([fault])
      expect(receiver.events).toEqual([event])
    },
  )

  it('that is to be reordered is overtaken by the next', async () => {
    const { simulator, receiver } = await setUp()
    const [first, second] = [createEvent('job.created'), createEvent('job.created')]
    simulator.send({ ...first }, ['reorder'])
    simulator.send({ ...second }, [])
    await simulator.idle()
    expect(receiver.events.map(({ event_id }) => event_id)).toEqual([second.event_id, first.event_id])
  })

  it('meets faults as often as was asked for, and the same ones for the same chance', async () => {
    let chance = 0
    const random = (): number => {
      chance = (chance + 0.37) % 1
      return chance
    }
    const { simulator, receiver } = await setUp({ faults: { duplicate: 0.5 }, random })
    for (let count = 0; count < 40; count += 1) simulator.send({ ...createEvent('job.created') })
    await simulator.idle()
    const twice = simulator.messages.filter(({ attempts }) => attempts.length === 2)
    expect(twice.length).toBeGreaterThan(10)
    expect(twice.length).toBeLessThan(30)
    expect(receiver.events).toHaveLength(40)
    simulator.setFaults({})
    const [last] = simulator.send({ ...createEvent('job.created') })
    await simulator.idle()
    expect(last?.attempts).toHaveLength(1)
  })

  it('is tried again after each delay until it is accepted, with the same svix-id and a new signature', async () => {
    let refusals = 2
    const { simulator, receiver } = await setUp(
      {},
      {
        onEvent: {
          '*': () => {
            if (refusals-- > 0) throw new Error('not yet')
          },
        },
      },
    )
    const [message] = simulator.send({ ...createEvent('job.completed') })
    await simulator.idle()
    expect(message?.attempts.map(({ statusCode }) => statusCode)).toEqual([500, 500, 202])
    expect(new Set(receiver.outcomes.map(({ messageId }) => messageId))).toEqual(new Set([message?.id]))
    const [one, two, three] = message?.attempts.map(({ dispatchedAt }) => dispatchedAt.getTime()) ?? []
    expect(Number(two) - Number(one)).toBeGreaterThanOrEqual(9)
    expect(Number(three) - Number(two)).toBeGreaterThanOrEqual(19)
  })

  it('goes on where onAttempt throws', async () => {
    let attempts = 0
    const { simulator } = await setUp({
      onAttempt: () => {
        attempts += 1
        throw new Error('a mistake in the hook')
      },
    })
    simulator.send({ ...createEvent('job.completed') }, ['stale'])
    await simulator.idle()
    expect(simulator.messages).toMatchObject([{ status: 'succeeded' }])
    expect(attempts).toBe(2)
  })

  it('is given up after the last delay', async () => {
    const { simulator, client, endpointId } = await setUp({ retryDelaysMs: [1_000] }, { maxBodyBytes: 10 })
    const [message] = simulator.send({ ...createEvent('job.completed') })
    await simulator.idle()
    expect(message).toMatchObject({ status: 'failed', attempts: [{ statusCode: 413 }, { statusCode: 413 }] })
    expect(await client.webhookEndpoints.get(endpointId)).toMatchObject({ consecutive_failures: 2 })
    const { items } = await client.webhookEndpoints.messages(endpointId)
    expect(items).toMatchObject([{ message_id: message?.id, status: 'failed', event_type: 'job.completed' }])
    const attempts = await client.webhookEndpoints.attempts(endpointId, message?.id ?? '', { limit: 1 })
    expect(attempts).toMatchObject({
      done: false,
      items: [{ status: 'failed', status_code: 413, response_body: '{"error":"body_too_large"}' }],
    })
    const rest = await client.webhookEndpoints.attempts(endpointId, message?.id ?? '', {
      limit: 1,
      iterator: attempts.iterator ?? '',
    })
    expect(rest).toMatchObject({ done: true, items: [{ status_code: 413 }] })
  })

  it('waits for its answer as long as it was told, and no longer', async () => {
    const { simulator } = await setUp(
      { replyTimeoutMs: 100, retryDelaysMs: [] },
      { onEvent: { '*': () => new Promise(() => {}) } },
    )
    const [message] = simulator.send({ ...createEvent('job.completed') })
    await simulator.idle()
    expect(replies(message)).toEqual(['no answer within 100 ms'])
  })

  it('goes to the endpoints that want the event, and to none that is paused or gone', async () => {
    const { simulator, client, endpointId, receiver } = await setUp()
    const { endpoint_id } = await client.webhookEndpoints.create({
      url: receiver.url,
      enabled_events: ['artifact.ready'],
    })
    const reached = (): string[] =>
      simulator.send({ ...createEvent('job.created') }, []).map(({ endpoint }) => endpoint.id)
    expect(reached()).toEqual([endpointId])
    await client.webhookEndpoints.pause(endpointId)
    expect(reached()).toEqual([])
    await client.webhookEndpoints.resume(endpointId)
    expect(reached()).toEqual([endpointId])
    await client.webhookEndpoints.delete(endpointId)
    expect(reached()).toEqual([])
    expect((await client.webhookEndpoints.list()).map((endpoint) => endpoint.endpoint_id)).toEqual([endpoint_id])
  })
})

describe('signatures', () => {
  it.each(['decoded', 'text', 'both'] as const)(
    'keyed with the %s secret are accepted by a receiver',
    async (signatureKey) => {
      const { simulator } = await setUp({ signatureKey })
      const [message] = simulator.send({ ...createEvent('job.completed') })
      await simulator.idle()
      expect(replies(message)).toEqual([accepted])
    },
  )

  it('are made with a secret that is given beforehand', async () => {
    const { simulator } = await setUp()
    const receiver = await startReceiver()
    receiver.secret = generateSecret()
    const endpoint = simulator.register({
      url: receiver.url,
      secret: receiver.secret,
      enabled_events: ['job.completed'],
    })
    simulator.send({ ...createEvent('job.completed') })
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
  ])('after a rotation with an overlap of %i ms there are %i', async (rotationOverlapMs, count) => {
    const seen: Record<string, string>[] = []
    const { simulator, client, endpointId, receiver } = await setUp(
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
    const event = createEvent('job.completed')
    simulator.send({ ...event })
    receiver.secret = secret
    await simulator.idle()
    expect(seen[0]?.['svix-signature']?.split(' ')).toHaveLength(count)
    const [message] = simulator.messages
    expect(replies(message)).toEqual([accepted])
    receiver.secret = old
    const [second] = simulator.send({ ...createEvent('job.completed') })
    await simulator.idle()
    expect(second?.attempts[0]?.statusCode).toBe(count === 2 ? 202 : 400)
  })

  it('are those of Standard Webhooks', async () => {
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
    const { simulator, client } = await setUp()
    const { secret } = await client.webhookEndpoints.create({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    })
    simulator.send({ ...createEvent('job.created', { org_slug: 'zürich' }) })
    await simulator.idle()
    const [request] = requests
    expect(new Webhook(secret).verify(request?.body ?? '', request?.headers ?? {})).toMatchObject({
      org_slug: 'zürich',
    })
  })
})
