// The inbox on BullMQ when Redis answers but refuses commands.

import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { createReceiver } from '@scrapenest-webhooks/core'
import { type BullmqInboxOptions, bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import {
  createEvent,
  createInboxEvent,
  generateSecret,
  signDelivery,
  untilInboxStats,
} from '@scrapenest-webhooks/testing'
import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName } from './engine-inboxes.ts'
import { hasProgram } from './installed-engines.ts'
import { type EngineServer, startRedis } from './servers.ts'

const secret = generateSecret()

async function start(settings?: readonly string[]): Promise<{ server: EngineServer; admin: Redis }> {
  const server = await startRedis(settings)
  onTestFinished(() => server.dispose())
  const admin = new Redis(server.url)
  onTestFinished(() => admin.disconnect())
  return { server, admin }
}

/** A receiver with an inbox, and everything that it reports and logs. */
function receive(options: BullmqInboxOptions, handle: (eventId: string) => unknown = () => {}) {
  const inbox = bullmqInbox({ prefix: newPlaceName(), ...options })
  const reports: Error[] = []
  const texts: string[] = []
  const log = (...values: unknown[]): void => void texts.push(inspect(values, { depth: 9, showHidden: true }))
  const receiver = createReceiver({
    secret,
    inbox,
    onEvent: { 'job.created': async ({ event_id }) => void (await handle(event_id as string)) },
    onError: (error) => {
      reports.push(error as Error)
      for (let at: unknown = error; at instanceof Error; at = at.cause) log(at, JSON.stringify(at))
    },
    logger: { warn: log, error: log },
  })
  onTestFinished(() => receiver.close({ graceMs: 0 }))
  const post = async (): Promise<number> => {
    const { method, headers, body } = signDelivery(createEvent('job.created'), { secret })
    return (await receiver.receive({ method, headers, body: async () => body })).status
  }
  return { inbox, receiver, reports, texts, post }
}

describe.skipIf(!hasProgram('redis'))('the inbox on BullMQ', () => {
  it.each<[string, (admin: Redis) => Promise<unknown>, object]>([
    ['a missing password', (admin) => admin.config('SET', 'requirepass', 'SECRETPW'), {}],
    ['a wrong password', (admin) => admin.config('SET', 'requirepass', 'another'), { password: 'SECRETPW' }],
    [
      'missing permissions',
      (admin) => admin.acl('SETUSER', 'web', 'on', '>SECRETPW', '~*', '+@all', '-evalsha', '-eval'),
      { username: 'web', password: 'SECRETPW' },
    ],
  ])('does not start with %s, acknowledges nothing, and shows no credential', async (_what, prepare, options) => {
    const { server, admin } = await start()
    await prepare(admin)
    const consoled = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'error')].map((spy) =>
      spy.mockImplementation(() => {}),
    )
    onTestFinished(() => void consoled.map((spy) => spy.mockRestore()))
    const { port } = new URL(server.url)
    const { receiver, reports, texts, post } = receive({
      connection: { host: '127.0.0.1', port: Number(port), ...options },
    })

    const refused = await receiver.start().then(
      () => undefined,
      (error) => error,
    )
    expect(refused).toMatchObject({ code: 'store_unavailable', cause: { code: 'configuration_invalid' } })
    expect(refused.message).not.toMatch(/keeps trying|be reached/)
    expect(await post()).toBe(503)
    expect(reports.at(-1)).toMatchObject({ code: 'store_unavailable', cause: { code: 'configuration_invalid' } })
    const written = consoled.flatMap((spy) => spy.mock.calls).map((values) => inspect(values))
    expect([...texts, ...written, inspect(refused, { depth: 9 })].join()).not.toContain('SECRETPW')
  })

  it('acknowledges nothing until its worker is allowed to claim it', async () => {
    const { server, admin } = await start()
    await admin.acl('SETUSER', 'default', '-bzpopmin')
    const { receiver, post, inbox } = receive({ connection: server.url })
    await expect(receiver.start()).rejects.toMatchObject({
      code: 'store_unavailable',
      cause: { code: 'configuration_invalid', message: expect.stringMatching(/lacks a permission/) },
    })
    expect(await post()).toBe(503)
    expect(await inbox.stats()).toMatchObject({ ready: 0 })
    await admin.acl('SETUSER', 'default', '+@all')
    await vi.waitFor(async () => expect(await post()).toBe(202), 10_000)
    await untilInboxStats(inbox, { done: 1 }, 10_000)
  })

  it('works once the password is right, without a restart', async () => {
    const { server, admin } = await start()
    await admin.config('SET', 'requirepass', 'another')
    const { receiver, post, inbox } = receive({
      connection: { port: Number(new URL(server.url).port), password: 'right' },
    })
    await expect(receiver.start()).rejects.toMatchObject({ code: 'store_unavailable' })
    await admin.config('SET', 'requirepass', 'right')
    await vi.waitFor(async () => expect(await post()).toBe(202), 10_000)
    await untilInboxStats(inbox, { done: 1 }, 10_000)
  })

  it('reports that Redis requires a password even if it was away first', async () => {
    const settings = ['--appendonly', 'yes']
    const { server, admin } = await start(settings)
    admin.disconnect()
    const { receiver, reports } = receive({ connection: server.url })
    await receiver.start()
    await server.stop()
    await vi.waitFor(() => expect(reports).toEqual([expect.objectContaining({ fault: 'io_error' })]), 10_000)
    settings.push('--requirepass', 'SECRETPW')
    await server.start()
    await vi.waitFor(() => expect(reports.at(-1)).toMatchObject({ cause: { code: 'configuration_invalid' } }), 10_000)
    expect(reports.at(-1)?.message).toMatch(/Redis requires a password/)
  })

  it('acknowledges nothing if Redis lacks the database of the connection, and leaves database 0 alone', async () => {
    const { server, admin } = await start()
    const { receiver, post, reports } = receive({ connection: `${server.url}/99` })
    const refusal = {
      code: 'store_unavailable',
      cause: { code: 'configuration_invalid', message: expect.stringMatching(/no database with that number/) },
    }
    await expect(receiver.start()).rejects.toMatchObject(refusal)
    expect(await post()).toBe(503)
    expect(reports.at(-1)).toMatchObject(refusal)
    expect(await admin.dbsize()).toBe(0)
  })

  it('names the hash tag that Redis Cluster requires', async () => {
    const { server, admin } = await start(['--cluster-enabled', 'yes'])
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await vi.waitFor(async () => expect(await admin.call('CLUSTER', 'INFO')).toMatch(/cluster_state:ok/), 10_000)
    const { receiver, post } = receive({ connection: server.url })
    await expect(receiver.start()).rejects.toMatchObject({
      code: 'store_unavailable',
      cause: { code: 'configuration_invalid', message: expect.stringMatching(/prefix: '\{bull\}'/) },
    })
    expect(await post()).toBe(503)

    const tagged = receive({ connection: server.url, prefix: `{${newPlaceName()}}` })
    await tagged.receiver.start()
    expect(await tagged.post()).toBe(202)
    await untilInboxStats(tagged.inbox, { done: 1 })
  })

  it.each<[string, (admin: Redis) => Promise<unknown>, (admin: Redis) => Promise<unknown>]>([
    [
      'lacks replicas',
      (admin) => admin.config('SET', 'min-replicas-to-write', '1'),
      (admin) => admin.config('SET', 'min-replicas-to-write', '0'),
    ],
    ['is a replica', (admin) => admin.replicaof('127.0.0.1', 1), (admin) => admin.replicaof('NO', 'ONE')],
    ['is full', (admin) => admin.config('SET', 'maxmemory', '1'), (admin) => admin.config('SET', 'maxmemory', '0')],
    [
      'denies scripts',
      (admin) => admin.acl('SETUSER', 'default', '-evalsha', '-eval'),
      (admin) => admin.acl('SETUSER', 'default', '+@all'),
    ],
  ])('records each outcome of the handlers once when Redis %s meanwhile', async (what, begin, end) => {
    const { server, admin } = await start()
    const runs: string[] = []
    const outcomes: (() => void)[] = []
    const { inbox, receiver, reports, post } = receive(
      // With one attempt, a success recorded as a failure would make the event dead.
      { connection: server.url, leaseMs: 20_000, maxAttempts: 1 },
      async (eventId) => {
        runs.push(eventId)
        const isFailing = runs.length === 4
        await new Promise<void>((resolve) => outcomes.push(resolve))
        if (isFailing) throw new Error('no')
      },
    )
    await receiver.start()
    for (let index = 0; index < 4; index += 1) expect(await post()).toBe(202)
    await vi.waitFor(() => expect(outcomes).toHaveLength(4), 10_000)
    await begin(admin)
    for (const end of outcomes) end()
    await sleep(1500)
    expect(await post()).toBe(503)
    await end(admin)
    await untilInboxStats(inbox, { done: 3, dead: 1, running: 0, ready: 0 }, 10_000)
    expect(new Set(runs).size).toBe(4)
    expect(runs).toHaveLength(4)
    const unavailable = reports.filter((error) => 'code' in error && error.code === 'store_unavailable')
    // Once by the worker and once for the delivery. A full Redis accepts some scripts, so its next refusal is reported again.
    expect(unavailable.length).toBeLessThanOrEqual(what === 'is full' ? 3 : 2)
    expect(unavailable.length).toBeGreaterThan(1)
  })

  it('stops trying to record an outcome when the lease has expired, and retries the event', async () => {
    const { server, admin } = await start()
    let runs = 0
    const { inbox, receiver, post } = receive({ connection: server.url, leaseMs: 1000, backoff: () => 0 }, async () => {
      runs += 1
      if (runs === 1) await admin.config('SET', 'min-replicas-to-write', '1')
    })
    await receiver.start()
    await post()
    await sleep(2500)
    await admin.config('SET', 'min-replicas-to-write', '0')
    await untilInboxStats(inbox, { done: 1, running: 0 }, 10_000)
    expect(runs).toBe(2)
  })

  it('polls a Redis that refuses to hand out events at most every half second', async () => {
    const { server, admin } = await start()
    const { inbox, receiver } = receive({ connection: server.url })
    await inbox.put(createInboxEvent())
    await admin.config('SET', 'min-replicas-to-write', '1')
    await receiver.start().catch(() => {})
    await sleep(300)
    await admin.config('RESETSTAT')
    await sleep(2000)
    const { evalsha = '' } = Object.fromEntries(
      (await admin.info('commandstats')).split('\r\n').map((line) => line.replace('cmdstat_', '').split(':')),
    )
    expect(
      Number(/rejected_calls=(\d+)/.exec(evalsha)?.[1] ?? 0) + Number(/failed_calls=(\d+)/.exec(evalsha)?.[1] ?? 0),
    ).toBeLessThan(20)
    await admin.config('SET', 'min-replicas-to-write', '0')
    await untilInboxStats(inbox, { done: 1 }, 10_000)
  })
})
