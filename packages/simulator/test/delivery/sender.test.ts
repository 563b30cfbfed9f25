import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sampleEvent } from '../../src/index.ts'
import { accepted, repliesTo, setUp, subscribe } from '../local-simulator.ts'

describe('a delivery', () => {
  it('is accepted by a receiver, and its bytes are not those of JSON.stringify', async () => {
    const bodies: string[] = []
    const { simulator, receiver } = await subscribe(
      {},
      {
        onEvent: {
          '*': (_event, { rawBody }) => void bodies.push(Buffer.from(rawBody).toString()),
        },
      },
    )
    const event = { ...sampleEvent('job.completed'), org_slug: 'zürich' }
    const [message] = simulator.send(event)
    await simulator.idle()
    expect(repliesTo(message)).toEqual([accepted])
    expect(message?.status).toBe('succeeded')
    expect(JSON.parse(bodies[0] ?? '')).toEqual(event)
    expect(bodies[0]).not.toBe(JSON.stringify(event))
    expect(receiver.outcomes[0]?.messageId).toBe(message?.id)
  })

  it('is retried after each delay until it is accepted, with the same svix-id', async () => {
    let refusals = 2
    const { simulator, receiver } = await subscribe(
      {},
      {
        onEvent: {
          '*': () => {
            if (refusals-- > 0) throw new Error('not yet')
          },
        },
      },
    )
    const [message] = simulator.send(sampleEvent('job.completed'))
    await simulator.idle()
    expect(message?.attempts.map(({ statusCode }) => statusCode)).toEqual([500, 500, 202])
    expect(new Set(receiver.outcomes.map(({ messageId }) => messageId))).toEqual(new Set([message?.id]))
    const [one, two, three] = message?.attempts.map(({ dispatchedAt }) => dispatchedAt.getTime()) ?? []
    expect(Number(two) - Number(one)).toBeGreaterThanOrEqual(9)
    expect(Number(three) - Number(two)).toBeGreaterThanOrEqual(19)
  })

  it('is sent on a new connection if the server closes the kept one, and that is one attempt', async () => {
    let connections = 0
    // Answers the first request of each connection, and closes it at the second.
    const server = createServer((socket) => {
      connections += 1
      let requests = 0
      socket.on('data', () => {
        requests += 1
        if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
        else socket.destroy()
      })
    })
    onTestFinished(() => void server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const { simulator } = await setUp({ retryDelaysMs: [] })
    simulator.register({ url: `http://127.0.0.1:${port}/` })
    for (const type of ['job.created', 'job.completed']) {
      simulator.send(sampleEvent(type))
      await simulator.idle()
    }
    expect(simulator.messages.map(repliesTo)).toEqual([['200 '], ['200 ']])
    expect(connections).toBe(2)
  })

  it('is retried even if onAttempt throws', async () => {
    let attempts = 0
    const { simulator } = await subscribe({
      onAttempt: () => {
        attempts += 1
        throw new Error('a mistake in the hook')
      },
    })
    simulator.send(sampleEvent('job.completed'), ['stale'])
    await simulator.idle()
    expect(simulator.messages).toMatchObject([{ status: 'succeeded' }])
    expect(attempts).toBe(2)
  })

  it('is abandoned after the last retry', async () => {
    const { simulator, client, endpointId } = await subscribe({ retryDelaysMs: [1_000] }, { maxBodyBytes: 10 })
    const [message] = simulator.send(sampleEvent('job.completed'))
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

  it('waits for its reply for up to replyTimeoutMs', async () => {
    const { simulator } = await subscribe(
      { replyTimeoutMs: 100, retryDelaysMs: [] },
      { onEvent: { '*': () => new Promise(() => {}) } },
    )
    const [message] = simulator.send(sampleEvent('job.completed'))
    await simulator.idle()
    expect(repliesTo(message)).toEqual(['no reply within 100 ms'])
  })

  it('goes to the active endpoints that are subscribed to the event, and to no other', async () => {
    const { simulator, client, endpointId, receiver } = await subscribe()
    const { endpoint_id } = await client.webhookEndpoints.create({
      url: receiver.url,
      enabled_events: ['artifact.ready'],
    })
    const reached = (): string[] => simulator.send(sampleEvent('job.created'), []).map(({ endpoint }) => endpoint.id)
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
