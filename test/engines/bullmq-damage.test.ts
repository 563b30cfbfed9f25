// Unusual, damaged and overdue jobs of the inbox on BullMQ.
import { setTimeout as sleep } from 'node:timers/promises'
import { WebhookError } from '@scrapenest-webhooks/core'
import type { Inbox } from '@scrapenest-webhooks/inbox'
import { type BullmqInboxOptions, bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName, openServer } from './engine-inboxes.ts'
import { hasEngine } from './installed-engines.ts'

describe.skipIf(!hasEngine('redis'))('the inbox on BullMQ', () => {
  let server: Awaited<ReturnType<typeof openServer>>
  let redis: Redis

  beforeAll(async () => {
    server = await openServer('bullmq')
    redis = new Redis(server.url)
  })

  afterAll(async () => {
    redis?.disconnect()
    await server?.dispose()
  })

  function open(options: Partial<BullmqInboxOptions> = {}): { inbox: Inbox; key: (name: string) => string } {
    const prefix = newPlaceName()
    const inbox = bullmqInbox({ connection: server.url, prefix, leaseMs: 1000, ...options })
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    return { inbox, key: (name) => `${prefix}:webhooks-scrapenest:${name}` }
  }

  /** The Redis key of an event's job. */
  async function jobKey(key: (name: string) => string, eventId: string): Promise<string> {
    return key((await redis.get(key(`de:${eventId}`))) as string)
  }

  it('finds an event by its whole id, even if the id has hyphens or a lone surrogate', async () => {
    const { inbox } = open()
    const ids = ['a-0b6f', '0b6f', 'x-a-0b6f', '-', '--', '\ud800', '\ud801', '\ufffd', '\udc00\ud800']
    for (const eventId of ids) expect(await inbox.put(createInboxEvent({ eventId }))).toBe('stored')
    for (const eventId of ids) expect((await inbox.get(eventId))?.eventId).toBe(eventId)
    for (const eventId of ['6f', 'b6f', '-0b6f', 'a-0b6', '\udc00']) expect(await inbox.get(eventId)).toBeUndefined()
  })

  it('finds a dead event by its whole id when it is no longer remembered as a duplicate', async () => {
    const { inbox, key } = open({ maxAttempts: 1 })
    await inbox.start(
      createInboxConsumer(() => {
        throw new WebhookError('permanent_failure')
      }),
    )
    const ids = ['a-0b6f', '0b6f', '\ud800']
    for (const eventId of ids) await inbox.put(createInboxEvent({ eventId }))
    await untilInboxStats(inbox, { dead: 3 })
    await redis.del(await redis.keys(key('de:*')))
    for (const eventId of ids) expect((await inbox.get(eventId))?.eventId).toBe(eventId)
    expect(await inbox.get('b6f')).toBeUndefined()
  })

  it.each([
    ['was evicted', async (job: string) => await redis.del(job)],
    ['is not JSON', async (job: string) => await redis.hset(job, 'data', '{"name":"scrapenest",')],
    ['is not an event', async (job: string) => await redis.hset(job, 'data', '[1]')],
    ['is null', async (job: string) => await redis.hset(job, 'data', 'null')],
    ['lacks a field', async (job: string) => await redis.hset(job, 'data', '{"name":"scrapenest","eventId":"b"}')],
  ])(
    'moves an event whose data %s to dead letters, handles the others, and stores the event when it is sent again',
    async (_what, damage) => {
      const { inbox, key } = open()
      const events = ['a', 'b', 'c'].map((eventId) => createInboxEvent({ eventId }))
      for (const event of events) await inbox.put(event)
      await damage(await jobKey(key, 'b'))
      expect(await inbox.stats()).toMatchObject({ ready: 3 })
      expect((await inbox.list()).events.map(({ eventId }) => eventId).sort()).toEqual(['a', 'c'])
      expect(await inbox.get('b')).toBeUndefined()

      const handled: string[] = []
      const reports: [unknown, string | undefined][] = []
      await inbox.start({
        ...createInboxConsumer((event) => handled.push(event.eventId)),
        report: (error, event) => reports.push([error, event?.eventId]),
      })
      await untilInboxStats(inbox, { ready: 0, running: 0, done: 2, dead: 1 })
      expect(handled).toEqual(['a', 'c'])
      expect(reports).toEqual([
        [
          expect.objectContaining({
            code: 'store_unavailable',
            message: expect.stringMatching(/event b is missing or damaged/),
          }),
          'b',
        ],
      ])
      expect(await inbox.get('b')).toMatchObject({
        state: 'dead',
        eventId: 'b',
        body: undefined,
        history: [{ attempt: 1, error: { code: 'event_unreadable' } }],
      })
      expect(await inbox.replay({ eventId: 'b', scope: '' })).toEqual({ replayed: 0, withoutPayload: 1 })

      expect(await inbox.put(events[1] as (typeof events)[0])).toBe('stored')
      await untilInboxStats(inbox, { done: 3, dead: 1 })
      expect(handled).toEqual(['a', 'c', 'b'])
      expect((await inbox.get('b'))?.state).toBe('done')
      expect(await inbox.purge({ state: 'dead', finishedBefore: new Date(Date.now() + 1000) })).toBe(1)
    },
  )

  it.each([
    ['U+0000 and half a surrogate pair', `nul \0, half \ud800, ${'é'.repeat(10)}`],
    ['megabytes', '\ud83d\ude00'.repeat(1_000_000)],
  ])('records a failure whose text contains %s', async (_what, text) => {
    const { inbox } = open({ maxAttempts: 1 })
    const event = createInboxEvent()
    await inbox.start(
      createInboxConsumer(() => {
        throw new WebhookError('handler_failed', undefined, { cause: Object.assign(new Error(text), { name: text }) })
      }),
    )
    await inbox.put(event)
    await untilInboxStats(inbox, { dead: 1 })
    const message = (await inbox.get(event.eventId))?.history[0]?.error?.message ?? ''
    expect(message).not.toMatch(/\p{Surrogate}|\0/u)
    expect(message).toMatch(/^(nul \ufffd, half \ufffd, é|\ud83d\ude00)/u)
    expect(message.length).toBeLessThan(10_000)
  })

  it('counts the lag from the due time of the longest overdue event', async () => {
    const { inbox } = open({ backoff: () => 300 })
    expect(await inbox.stats()).not.toHaveProperty('oldestReadyAt')
    const failing = createInboxConsumer(() => {
      throw new WebhookError('handler_failed')
    })
    const event = createInboxEvent()
    await inbox.put(event)
    await inbox.start(failing)
    await vi.waitFor(async () => expect((await inbox.get(event.eventId))?.attempts).toBe(1), 10_000)
    await inbox.close({ consumer: failing })
    const dueAt = (await inbox.get(event.eventId))?.dueAt as Date
    const early = await inbox.stats()
    if (dueAt.getTime() > Date.now()) expect(early).not.toHaveProperty('oldestReadyAt')
    await vi.waitFor(async () => expect(await inbox.stats()).toHaveProperty('oldestReadyAt'), 10_000)

    // Due, but no worker is running to claim it. Events stored later are overdue for less long.
    await sleep(10)
    const later = new Date()
    await inbox.put(createInboxEvent())
    const { ready, oldestReadyAt } = await inbox.stats()
    expect(ready).toBe(2)
    // BullMQ measures the delay from when the failure is recorded.
    expect(oldestReadyAt?.getTime()).toBeGreaterThanOrEqual(dueAt.getTime())
    expect(oldestReadyAt?.getTime()).toBeLessThan(later.getTime())
  })

  it('has no lag while every event waits for a future retry', async () => {
    const { inbox } = open({ backoff: () => 3_600_000 })
    await inbox.start(
      createInboxConsumer(() => {
        throw new WebhookError('handler_failed')
      }),
    )
    const event = createInboxEvent()
    await inbox.put(event)
    await vi.waitFor(async () => expect((await inbox.get(event.eventId))?.history).toHaveLength(1), 10_000)
    await vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ ready: 1, running: 0 }), 10_000)
    expect(await inbox.stats()).not.toHaveProperty('oldestReadyAt')
  })
})
