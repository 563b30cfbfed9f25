import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createReceiver } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { environment, startReceiver } from '../cli/local-server.ts'
import { runCli } from '../cli/run-cli.ts'
import { newPlaceName, openPlace, serverOf } from './engine-inboxes.ts'
import { hasProgram } from './installed-engines.ts'
import { latestRefusalMs, load, type SharedEngine } from './load.ts'
import { type EngineServer, startPostgres, startRedis } from './servers.ts'

const engines: readonly SharedEngine[] = ['bullmq', 'pg-boss']
const secret = generateSecret()

describe.each(engines)('an inbox on %s whose server is unavailable', (engine) => {
  const needed = serverOf[engine] as NonNullable<(typeof serverOf)[SharedEngine]>
  let server: EngineServer

  beforeAll(async () => {
    if (!hasProgram(needed)) return
    server = needed === 'redis' ? await startRedis() : await startPostgres()
  })

  afterAll(async () => {
    await server?.dispose()
  })

  function receive(): { post(): Promise<{ status: number; body: string; retryAfter: number; tookMs: number }> } & {
    readonly handled: string[]
    start(): Promise<void>
  } {
    const inbox = openPlace(engine, { url: server.url, name: newPlaceName() }).createInbox({
      pollIntervalMs: 100,
      leaseMs: 1000,
    })
    const handled: string[] = []
    const receiver = createReceiver({
      secret,
      inbox,
      onEvent: { 'job.created': (event) => void handled.push(event.event_id) },
      logger: { warn() {}, error() {} },
    })
    onTestFinished(() => receiver.close({ graceMs: 0 }))
    return {
      handled,
      start: () => receiver.start(),
      async post() {
        const { method, headers, body } = signDelivery(createEvent('job.created'), { secret })
        const startedAtMs = performance.now()
        const reply = await receiver.receive({ method, headers, body: async () => body })
        const retryAfter = Number((reply.headers as Record<string, string>)['retry-after'])
        return { status: reply.status, body: reply.body, retryAfter, tookMs: performance.now() - startedAtMs }
      },
    }
  }

  it.skipIf(!hasProgram(needed))(
    'answers 503 with Retry-After long before the sender gives up, and recovers without a restart',
    async () => {
      const { post, handled, start } = receive()
      await start()
      expect((await post()).status).toBe(202)
      await server.stop()
      for (let index = 0; index < 3; index += 1) {
        const { status, body, retryAfter, tookMs } = await post()
        expect({ status, body }).toEqual({ status: 503, body: '{"error":"store_unavailable"}' })
        expect(retryAfter).toBeGreaterThan(0)
        expect(tookMs).toBeLessThan(latestRefusalMs)
      }
      await server.start()
      await vi.waitFor(async () => expect((await post()).status).toBe(202), 10_000)
      // An event that was being claimed when the server died is free once its lease expires.
      await vi.waitFor(() => expect(handled.length).toBeGreaterThanOrEqual(2), 30_000)
    },
    60_000,
  )

  it.skipIf(!hasProgram(needed))(
    'starts without its server, and works once the server is available',
    async () => {
      await server.stop()
      const { post, handled, start } = receive()
      // Reports the outage and keeps trying to open the inbox.
      await start()
      const { status, tookMs } = await post()
      expect(status).toBe(503)
      expect(tookMs).toBeLessThan(latestRefusalMs)
      await server.start()
      await vi.waitFor(async () => expect((await post()).status).toBe(202), 10_000)
      await vi.waitFor(() => expect(handled.length).toBeGreaterThan(0), 15_000)
    },
    60_000,
  )

  it.skipIf(!hasProgram(needed))(
    'fails the doctor command during the outage',
    async () => {
      const inbox = openPlace(engine, { url: server.url, name: newPlaceName() }).createInbox()
      const { url } = await startReceiver({ inbox })
      const faults = async (): Promise<unknown> => {
        const { stdout } = await runCli(['doctor', url, '--json'], { env: environment })
        const { findings } = JSON.parse(stdout) as { findings: { verdict: string; id: string }[] }
        return findings.filter(({ verdict }) => verdict === 'fault').map(({ id }) => id)
      }
      expect(await faults()).toEqual([])
      await server.stop()
      await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable' })
      expect(await faults()).toEqual(['store_unavailable'])
      await server.start()
      await vi.waitFor(() => inbox.check(), 10_000)
      expect(await faults()).toEqual([])
    },
    120_000,
  )

  it.skipIf(!hasProgram(needed))(
    'lets a process exit that closes during the outage',
    async () => {
      const child = fork(join(import.meta.dirname, 'closing-process.ts'), [engine, server.url, newPlaceName()])
      onTestFinished(() => void child.kill('SIGKILL'))
      const exited = once(child, 'exit')
      await once(child, 'message')
      await server.stop()
      child.send('close')
      expect(await exited).toEqual([0, null])
      await server.start()
    },
    60_000,
  )

  it.skipIf(!hasProgram(needed))(
    'loses no acknowledged event when the server is restarted under load',
    async () => {
      const counts = await load({ engine, deliveries: 1000, outageMs: 1000 })
      console.table({ [`${engine} stopped and started`]: counts })
      expect(counts).toMatchObject({ lost: 0, unexpected: 0, acceptedTwice: 0, deadUnasked: 0, events: 900 })
      expect(counts.processed).toBe(counts.events)
      expect(counts.outages).toBeGreaterThan(0)
      expect(counts.refused).toBeGreaterThan(0)
      expect(counts.slowestRefusalMs).toBeLessThan(latestRefusalMs)
    },
    180_000,
  )
})
