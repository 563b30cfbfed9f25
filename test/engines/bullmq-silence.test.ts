// The inbox on BullMQ when its connections go silent, lead to a demoted Redis, or lead to one that has lost its data.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createReceiver, PermanentError } from '@scrapenest-webhooks/core'
import { createWorker, type Inbox } from '@scrapenest-webhooks/inbox'
import { bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { createEvent, createInboxEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName } from './engine-inboxes.ts'
import { hasProgram } from './installed-engines.ts'
import { type EngineServer, startRedis } from './servers.ts'

const secret = generateSecret()

async function start(): Promise<{ server: EngineServer; admin: Redis }> {
  const server = await startRedis()
  onTestFinished(() => server.dispose())
  const admin = new Redis(server.url)
  onTestFinished(() => admin.disconnect())
  return { server, admin }
}

interface Proxy {
  readonly url: string
  /** Silences the existing connections in both directions without closing them. */
  silence(): void
  /** Drops the answers of Redis on the existing connections. Commands still reach it. */
  loseAnswers(): void
  /** Sends new connections to another Redis. */
  leadTo(url: string): void
}

async function startProxy(target: string): Promise<Proxy> {
  let port = Number(new URL(target).port)
  const sockets = new Set<Socket>()
  const fromRedis = new Set<Socket>()
  const proxy = createServer((socket) => {
    const server = connect(port, '127.0.0.1')
    fromRedis.add(server)
    for (const [one, other] of [
      [socket, server],
      [server, socket],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    proxy.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    silence() {
      for (const socket of sockets) {
        socket.unpipe()
        socket.pause()
      }
    },
    loseAnswers() {
      for (const socket of fromRedis) socket.unpipe().resume()
    },
    leadTo(url) {
      port = Number(new URL(url).port)
    },
  }
}

interface Sides {
  readonly web: Inbox
  readonly handled: string[]
  readonly reports: { readonly web: unknown[]; readonly worker: unknown[] }
  post(): Promise<number>
}

/** A receiver that only stores and a worker, with separate inboxes. */
async function startBoth(url: string, workerUrl: string = url): Promise<Sides> {
  const prefix = newPlaceName()
  const web = bullmqInbox({ connection: url, prefix })
  const reports = { web: [] as unknown[], worker: [] as unknown[] }
  const logger = { warn() {}, error() {} }
  const receiver = createReceiver({
    secret,
    inbox: web,
    processing: false,
    logger,
    onError: (error) => void reports.web.push(error),
  })
  const handled: string[] = []
  const worker = createWorker({
    inbox: bullmqInbox({ connection: workerUrl, prefix }),
    logger,
    onError: (error) => void reports.worker.push(error),
    onEvent: { 'job.created': ({ event_id }) => void handled.push(event_id as string) },
  })
  onTestFinished(async () => void (await Promise.all([receiver, worker].map((one) => one.close({ graceMs: 100 })))))
  await Promise.all([receiver.start(), worker.start()])
  return {
    web,
    handled,
    reports,
    async post() {
      const { method, headers, body } = signDelivery(createEvent('job.created'), { secret })
      return (await receiver.receive({ method, headers, body: async () => body })).status
    },
  }
}

describe.skipIf(!hasProgram('redis'))('the inbox on BullMQ', () => {
  it('replaces silent connections within 15 s, without a restart', async () => {
    const { server } = await start()
    const proxy = await startProxy(server.url)
    const { post, handled } = await startBoth(proxy.url)
    expect(await post()).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(1), 10_000)
    proxy.silence()
    expect(await post()).toBe(503)
    const silentAtMs = performance.now()
    await vi.waitFor(async () => expect(await post()).toBe(202), { timeout: 15_000, interval: 500 })
    await vi.waitFor(() => expect(handled.length).toBeGreaterThan(1), 15_000)
    expect(performance.now() - silentAtMs).toBeLessThan(15_000)
  }, 40_000)

  it('claims again within 15 s when only the connections of an idle worker go silent', async () => {
    const { server } = await start()
    const proxy = await startProxy(server.url)
    const { post, handled } = await startBoth(server.url, proxy.url)
    await post()
    await vi.waitFor(() => expect(handled).toHaveLength(1), 10_000)
    proxy.silence()
    expect(await post()).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(2), 15_000)
  }, 40_000)

  it('reports a dead event once, and drops a payload, even if the answers to recording them are lost', async () => {
    const { server } = await start()
    const proxy = await startProxy(server.url)
    const prefix = newPlaceName()
    const web = bullmqInbox({ connection: server.url, prefix })
    onTestFinished(() => web.close())
    const deaths: unknown[] = []
    const settle: (() => void)[] = []
    const worker = createWorker({
      inbox: bullmqInbox({ connection: proxy.url, prefix, keepPayload: false }),
      logger: { warn() {}, error() {} },
      onError: (error) => void ((error as Error).name === 'DeadEventError' && deaths.push(error)),
      onEvent: {
        'job.created': async ({ event_id }) => {
          await new Promise<void>((resolve) => settle.push(resolve))
          if (event_id === 'bad') throw new PermanentError('no')
        },
      },
    })
    onTestFinished(() => worker.close({ graceMs: 100 }))
    await worker.start()
    for (const eventId of ['good', 'bad']) {
      const body = Buffer.from(JSON.stringify(createEvent('job.created', { event_id: eventId })))
      await web.put(createInboxEvent({ eventId, body }))
    }
    await vi.waitFor(() => expect(settle).toHaveLength(2), 10_000)
    proxy.loseAnswers()
    for (const end of settle) end()
    await vi.waitFor(() => expect(deaths).toHaveLength(1), 15_000)
    expect(await web.stats()).toMatchObject({ done: 1, dead: 1, running: 0 })
    await vi.waitFor(async () => expect((await web.get('good'))?.body).toBeUndefined(), 10_000)
    expect(settle).toHaveLength(2)
  }, 40_000)

  it('follows a failover: reconnects when its Redis is demoted', async () => {
    const { server: old, admin } = await start()
    const { server: primary } = await start()
    const proxy = await startProxy(old.url)
    const { post, handled } = await startBoth(proxy.url)
    expect(await post()).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(1), 10_000)
    proxy.leadTo(primary.url)
    await admin.replicaof('127.0.0.1', new URL(primary.url).port)
    await vi.waitFor(async () => expect(await post()).toBe(202), { timeout: 15_000, interval: 200 })
    await vi.waitFor(() => expect(handled.length).toBeGreaterThan(1), 15_000)
  }, 40_000)

  it('counts, stores and handles new events after Redis loses all data, and reports the loss once', async () => {
    const { server, admin } = await start()
    const { web, post, handled, reports } = await startBoth(server.url)
    for (let index = 0; index < 3; index += 1) expect(await post()).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(3), 10_000)
    await admin.flushall()
    for (let index = 0; index < 3; index += 1) expect(await post()).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(6), 15_000)
    await vi.waitFor(async () => expect(await web.stats()).toMatchObject({ done: 3, running: 0 }), 10_000)
    expect(reports.web).toEqual([
      expect.objectContaining({ code: 'store_unavailable', message: expect.stringMatching(/has lost its data/) }),
    ])
  }, 40_000)

  it('recognizes duplicates of events stored after a flush', async () => {
    const { server, admin } = await start()
    const { web } = await startBoth(server.url)
    const event = createInboxEvent()
    expect(await web.put(event)).toBe('stored')
    await admin.flushall()
    expect(await web.put(event)).toBe('stored')
    expect(await web.put(event)).toBe('duplicate')
  })
})
