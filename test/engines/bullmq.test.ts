import { setTimeout as sleep } from 'node:timers/promises'
import { WebhookError } from '@scrapenest-webhooks/core'
import { type BullmqInboxOptions, bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName, openServer } from './engine-inboxes.ts'
import { hasEngine, hasProgram } from './installed-engines.ts'
import { startRedis } from './servers.ts'

describe.skipIf(!hasEngine('redis'))('the inbox on BullMQ', () => {
  let server: Awaited<ReturnType<typeof openServer>>

  beforeAll(async () => {
    server = await openServer('bullmq')
  })

  afterAll(async () => {
    await server?.dispose()
  })

  function createInbox(options: Partial<BullmqInboxOptions> = {}): ReturnType<typeof bullmqInbox> {
    const source = options.queue === undefined ? { connection: server.url, prefix: newPlaceName() } : {}
    const inbox = bullmqInbox({ ...source, ...options })
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    return inbox
  }

  it('recognizes a duplicate after its event was deleted', async () => {
    const inbox = createInbox({ keepDoneMs: 0 })
    const event = createInboxEvent()
    await inbox.start(createInboxConsumer(() => {}))
    await inbox.put(event)
    await vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ ready: 0, running: 0, done: 0 }), 10_000)
    // The completion of a second event deletes events older than keepDoneMs.
    await inbox.put(createInboxEvent())
    await vi.waitFor(async () => expect(await inbox.get(event.eventId)).toBeUndefined(), 10_000)

    expect(await inbox.put(event)).toBe('duplicate')
  })

  it('remembers an event for seven days after it was stored', async () => {
    const prefix = newPlaceName()
    const inbox = createInbox({ prefix })
    const event = createInboxEvent()
    await inbox.start(createInboxConsumer(() => {}))
    await inbox.put(event)
    await untilInboxStats(inbox, { done: 1 })
    const redis = new Redis(server.url)
    onTestFinished(() => redis.disconnect())

    expect(await redis.pttl(`${prefix}:webhooks-scrapenest:de:${event.eventId}`)).toBeGreaterThan(604_800_000 - 60_000)
  })

  it('finds a dead event after rememberMs', async () => {
    const inbox = createInbox({ rememberMs: 1000, keepDoneMs: 1000, maxAttempts: 1 })
    const event = createInboxEvent()
    await inbox.start(
      createInboxConsumer(() => {
        throw new WebhookError('handler_failed', undefined, { cause: new Error('always') })
      }),
    )
    await inbox.put(event)
    await untilInboxStats(inbox, { dead: 1 })
    await sleep(1100)

    expect((await inbox.get(event.eventId))?.state).toBe('dead')
    expect(await inbox.replay({ eventId: event.eventId })).toEqual({ replayed: 1, withoutPayload: 0 })
  })

  it('distinguishes ids that are long or contain special characters of Redis or BullMQ', async () => {
    const inbox = createInbox()
    const ids = ['a:b', '0', '12345', 'a'.repeat(300), 'a'.repeat(301), 'é', '\u0000', 'a b', 'sha256.x']
    for (const eventId of ids)
      expect([eventId, await inbox.put(createInboxEvent({ eventId }))]).toEqual([eventId, 'stored'])
    for (const eventId of ids) {
      expect([eventId, await inbox.put(createInboxEvent({ eventId }))]).toEqual([eventId, 'duplicate'])
      expect((await inbox.get(eventId))?.eventId).toBe(eventId)
    }
  })

  it('separates applications with the same name by their queuePrefix', async () => {
    const prefix = newPlaceName()
    const shop = createInbox({ prefix, queuePrefix: 'shop' })
    const lab = createInbox({ prefix, queuePrefix: 'lab' })
    const handled: string[] = []
    await shop.start(createInboxConsumer(({ eventId }) => void handled.push(eventId)))
    const [forShop, forLab] = [createInboxEvent(), createInboxEvent()]
    for (const [inbox, event] of [
      [lab, forLab],
      [shop, forShop],
    ] as const)
      await inbox.put(event)
    await untilInboxStats(shop, { done: 1 })

    expect(handled).toEqual([forShop.eventId])
    expect(await lab.get(forLab.eventId)).toMatchObject({ state: 'ready' })
    expect(await lab.put(forShop)).toBe('stored')
  })

  it("puts a dead event into BullMQ's failed set with the reason", async () => {
    const prefix = newPlaceName()
    const inbox = createInbox({ prefix, maxAttempts: 2, backoff: (failed) => (failed === 1 ? 0 : 60_000) })
    const queue = new Queue('webhooks-scrapenest', { connection: { url: server.url }, prefix })
    onTestFinished(() => queue.close())
    await inbox.start(
      createInboxConsumer(() => {
        throw new WebhookError('handler_failed', undefined, { cause: new Error('out of paper') })
      }),
    )
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { dead: 1 })

    const [job] = await queue.getFailed()
    expect(job).toMatchObject({ name: 'job.created', failedReason: 'handler_failed: out of paper', attemptsMade: 2 })
  })

  it("works on the user's queue, and leaves it open", async () => {
    const queue = new Queue('mine', { connection: { url: server.url }, prefix: newPlaceName() })
    onTestFinished(() => queue.close())
    const inbox = createInbox({ queue })
    await inbox.start(createInboxConsumer(() => {}))
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { done: 1 })
    await inbox.close()

    expect(await queue.getCompletedCount()).toBe(1)
    await expect(inbox.put(createInboxEvent({ name: 'another' }))).rejects.toThrow(/has one queue/)
  })

  it("works on the user's client, and leaves it connected", async () => {
    const connection = new Redis(server.url, { maxRetriesPerRequest: null })
    onTestFinished(() => connection.disconnect())
    const inbox = createInbox({ connection })
    await inbox.start(createInboxConsumer(() => {}))
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { done: 1 })
    await inbox.close()

    expect(await connection.ping()).toBe('PONG')
  })

  it.skipIf(!hasProgram('redis')).each([
    {
      what: 'is a read-only replica',
      begin: ['REPLICAOF', '127.0.0.1', '1'],
      end: ['REPLICAOF', 'NO', 'ONE'],
      fault: 'read_only',
    },
    {
      what: 'is full',
      begin: ['CONFIG', 'SET', 'maxmemory', '1'],
      end: ['CONFIG', 'SET', 'maxmemory', '0'],
      fault: 'full',
    },
    {
      what: 'has too few replicas',
      begin: ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
      end: ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
      fault: 'read_only',
    },
  ])('fails a check while Redis $what', async ({ begin, end, fault }) => {
    const redis = await startRedis()
    onTestFinished(() => redis.dispose())
    const admin = new Redis(redis.url)
    onTestFinished(() => admin.disconnect())
    const inbox = createInbox({ connection: redis.url })
    const call = async ([command = '', ...parameters]: string[]): Promise<unknown> =>
      await admin.call(command, parameters)
    await inbox.check()
    await call(begin)
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault })
    await call(end)
    await inbox.check()
  })

  it('leaves only an expiring key after a check', async () => {
    const prefix = newPlaceName()
    const inbox = createInbox({ prefix })
    await inbox.start(createInboxConsumer(() => {}, 'orders'))
    await inbox.check()
    const redis = new Redis(server.url)
    onTestFinished(() => redis.disconnect())
    expect(await redis.pttl(`${prefix}:webhooks-orders:scrapenest:check`)).toBeLessThanOrEqual(1000)
    expect(await redis.keys(`${prefix}:webhooks-scrapenest:*`)).toEqual([])
  })

  it("checks the user's queue without binding it to one receiver", async () => {
    const queue = new Queue('mine', { connection: { url: server.url }, prefix: newPlaceName() })
    onTestFinished(() => queue.close())
    const inbox = createInbox({ queue })
    await inbox.check()
    expect(await inbox.put(createInboxEvent({ name: 'orders' }))).toBe('stored')
  })

  it.skipIf(!hasProgram('redis')).each([
    { settings: ['--appendonly', 'no'], warnings: [/With appendonly no/] },
    {
      settings: ['--appendonly', 'yes', '--maxmemory-policy', 'allkeys-lru'],
      warnings: [/With maxmemory-policy allkeys-lru/],
    },
    { settings: ['--appendonly', 'yes', '--appendfsync', 'always'], warnings: [] },
  ])('reports at startup what a Redis with $settings can lose', async ({ settings, warnings }) => {
    const redis = await startRedis(settings)
    onTestFinished(() => redis.dispose())
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => warned.mockRestore())
    const inbox = createInbox({ connection: redis.url })
    const reports: unknown[] = []
    await inbox.start({ ...createInboxConsumer(() => {}), report: (error) => reports.push(error) })
    await inbox.close()

    expect(reports.map((error) => (error as { code: string }).code)).toEqual(
      warnings.map(() => 'configuration_invalid'),
    )
    for (const [index, words] of warnings.entries()) expect(String(reports[index])).toMatch(words)
  })
})
