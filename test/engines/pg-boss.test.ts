import { setTimeout as sleep } from 'node:timers/promises'
import { PermanentError, WebhookError } from '@scrapenest-webhooks/core'
import { type PgBossInbox, type PgBossInboxOptions, pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName, openServer } from './engine-inboxes.ts'
import { hasEngine } from './installed-engines.ts'

describe.skipIf(!hasEngine('postgres'))('the inbox on pg-boss', () => {
  let server: Awaited<ReturnType<typeof openServer>>
  let client: pg.Client
  let schema: string

  beforeAll(async () => {
    server = await openServer('pg-boss')
    client = new pg.Client({ connectionString: server.url })
    await client.connect()
  })

  beforeEach(() => {
    schema = newPlaceName()
  })

  afterAll(async () => {
    await client?.end()
    await server?.dispose()
  })

  function createInbox(options: Partial<PgBossInboxOptions> = {}): PgBossInbox {
    const source = options.boss === undefined ? { connectionString: server.url } : {}
    const inbox = pgBossInbox({ ...source, schema, pollIntervalMs: 100, backoff: () => 0, ...options })
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    return inbox
  }

  async function jobs(queue: string): Promise<readonly Record<string, unknown>[]> {
    return (await client.query(`SELECT * FROM ${schema}.job WHERE name = $1 ORDER BY created_on`, [queue])).rows
  }

  /** Simulates another process that claimed every waiting event and died. */
  async function dieWithAll(): Promise<void> {
    await client.query(
      `UPDATE ${schema}.job SET state = 'active', heartbeat_on = now() - interval '1 hour', started_on = now(),
         retry_count = CASE WHEN started_on IS NULL THEN retry_count ELSE retry_count + 1 END`,
    )
  }

  /** The due times of the waiting events, earliest first, in milliseconds since 1970. */
  async function dueTimes(): Promise<readonly number[]> {
    const { rows } = await client.query<{ due: Date }>(
      `SELECT start_after AS due FROM ${schema}.job WHERE state < 'active' ORDER BY start_after`,
    )
    return rows.map(({ due }) => due.getTime())
  }

  it('separates applications with the same name by their queuePrefix', async () => {
    const shop = createInbox({ queuePrefix: 'shop' })
    const lab = createInbox({ queuePrefix: 'lab' })
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

  it('keeps done events for seven days and dead ones until they are purged, and deletes no waiting event', async () => {
    const inbox = createInbox()
    await inbox.put(createInboxEvent())
    await inbox.put(createInboxEvent({ eventType: 'artifact.ready' }))
    await inbox.start(
      createInboxConsumer(({ eventType }) => {
        if (eventType === 'artifact.ready') throw new PermanentError('no use')
      }),
    )
    await untilInboxStats(inbox, { done: 1, dead: 1 })

    const [done, dead] = await jobs('webhooks/scrapenest')
    expect(done).toMatchObject({
      state: 'completed',
      deletion_seconds: 604_800,
      dead_letter: 'webhooks/scrapenest/dead',
    })
    expect(dead).toMatchObject({ state: 'failed', deletion_seconds: 0 })
    const { keep_until: keepUntil, created_on: createdOn } = done as { keep_until: Date; created_on: Date }
    expect(keepUntil.getTime() - createdOn.getTime()).toBeGreaterThan(9 * 365 * 86_400_000)
  })

  it('copies a dead event to the dead-letter queue, and removes it when it is replayed or purged', async () => {
    const inbox = createInbox()
    const event = createInboxEvent()
    let isFixed = false
    await inbox.start(
      createInboxConsumer(() => {
        if (!isFixed) throw new PermanentError('no use')
      }),
    )
    await inbox.put(event)
    await untilInboxStats(inbox, { dead: 1 })
    const [letter] = await jobs('webhooks/scrapenest/dead')
    expect(letter).toMatchObject({ source_name: 'webhooks/scrapenest', data: { eventId: event.eventId } })
    expect(letter?.['source_output']).toMatchObject({ message: 'permanent_failure: no use' })

    isFixed = true
    await inbox.replay({ state: 'dead' })
    await untilInboxStats(inbox, { done: 1, dead: 0 })
    expect(await jobs('webhooks/scrapenest/dead')).toEqual([])
  })

  it('retries an event whose worker stopped renewing its heartbeat, and counts the attempt', async () => {
    const inbox = createInbox({ maxAttempts: 2 })
    const event = createInboxEvent()
    const attempts: number[] = []
    await inbox.put(event)
    // Another process claims it and dies.
    await client.query(
      `UPDATE ${schema}.job SET state = 'active', started_on = now(), heartbeat_on = now() - interval '1 hour'`,
    )
    await inbox.start(createInboxConsumer((_event, { attempt }) => attempts.push(attempt)))
    await untilInboxStats(inbox, { done: 1 })
    expect(attempts).toEqual([2])
  })

  it("gives an event the worker's lease and time limit, whatever they were in the process that stored it", async () => {
    const web = createInbox({ leaseMs: 10_000 })
    const inbox = createInbox({ leaseMs: 40_000, handlerTimeoutMs: 600_000, graceMs: 5000 })
    await web.put(createInboxEvent())
    const running: unknown[] = []
    await inbox.start(createInboxConsumer(async () => void running.push(...(await jobs('webhooks/scrapenest')))))
    await untilInboxStats(inbox, { done: 1 })
    expect(running).toMatchObject([{ state: 'active', heartbeat_seconds: 40, expire_seconds: 600 + 5 + 40 }])
  })

  it('retries the events of a dead process one by one, each after its own delay to the millisecond', async () => {
    const staggerMs = 40
    let ended = 0
    const backoff = (): number => {
      ended += 1
      return 5000 + ended * staggerMs
    }
    const inbox = createInbox({ backoff })
    for (let index = 0; index < 10; index += 1) await inbox.put(createInboxEvent())
    await dieWithAll()
    await inbox.start(createInboxConsumer(() => {}))
    await untilInboxStats(inbox, { ready: 10, running: 0 })

    const dueAtMs = await dueTimes()
    const gapsMs = dueAtMs.slice(1).map((ms, index) => ms - (dueAtMs[index] as number))
    // Truncated microseconds can make a gap one millisecond shorter.
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(staggerMs - 1)
  })

  it('wakes up for each retry when it is due, instead of for all of them at the next poll', {
    timeout: 60_000,
  }, async () => {
    let ended = 0
    const backoff = (): number => {
      ended += 1
      return ended * 1000
    }
    const inbox = createInbox({ backoff, pollIntervalMs: 60_000 })
    for (let index = 0; index < 5; index += 1) await inbox.put(createInboxEvent())
    await dieWithAll()
    const startedAtMs: number[] = []
    await inbox.start(createInboxConsumer(() => startedAtMs.push(performance.now())))
    await untilInboxStats(inbox, { done: 5 }, 40_000)

    // Due over four seconds. At a poll they would all start together.
    expect((startedAtMs.at(-1) as number) - (startedAtMs[0] as number)).toBeGreaterThan(1000)
  })

  it("is staggered by pg-boss's supervisor too, whatever the last delay of each event was", async () => {
    const inbox = createInbox({ backoff: () => 60_000 })
    await inbox.start(
      createInboxConsumer(() => {
        throw new WebhookError('handler_failed', undefined, { cause: new Error('once') })
      }),
    )
    for (let index = 0; index < 10; index += 1) await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { ready: 10, running: 0 })
    await inbox.close()
    await dieWithAll()
    const boss = new PgBoss({ connectionString: server.url, schema })
    boss.on('error', () => {})
    await boss.start()
    onTestFinished(() => boss.stop({ graceful: false }))
    await client.query(`UPDATE ${schema}.queue SET monitor_on = NULL`)
    await boss.supervise('webhooks/scrapenest')

    const dueAtMs = await dueTimes()
    expect(dueAtMs).toHaveLength(10)
    // pg-boss's supervisor spreads them at random over a minute.
    expect((dueAtMs.at(-1) as number) - (dueAtMs[0] as number)).toBeGreaterThan(1000)
  })

  it('moves an event that has killed its process maxAttempts times to dead letters, and reports it', async () => {
    const inbox = createInbox({ maxAttempts: 3 })
    const event = createInboxEvent()
    const reports: string[] = []
    await inbox.put(event)
    await client.query(
      `UPDATE ${schema}.job SET state = 'active', started_on = now(), retry_count = 2, heartbeat_on = now() - interval '1 hour'`,
    )
    await inbox.start({ ...createInboxConsumer(() => {}), report: (error) => reports.push(String(error)) })
    await untilInboxStats(inbox, { dead: 1 })

    // The report follows the recording, which the counts show a moment earlier.
    await vi.waitFor(
      () =>
        expect(reports.filter((report) => /is dead/.test(report))).toEqual([
          expect.stringMatching(/dead after 3 attempts; the last failed with lease_ended/),
        ]),
      10_000,
    )
    expect((await inbox.get(event.eventId))?.history).toMatchObject([{ attempt: 3, error: { code: 'lease_ended' } }])
  })

  describe("an attempt that pg-boss's supervisor ended", () => {
    async function endBySupervisor({
      retryCount,
      ...options
    }: Partial<PgBossInboxOptions> & { readonly retryCount: number }) {
      const boss = new PgBoss({ connectionString: server.url, schema })
      boss.on('error', () => {})
      await boss.start()
      onTestFinished(() => boss.stop({ graceful: false }))
      const inbox = createInbox({ boss, ...options })
      const event = createInboxEvent()
      await inbox.put(event)
      await client.query(
        `UPDATE ${schema}.job SET state = 'active', started_on = now(), retry_count = ${retryCount},
           heartbeat_on = now() - interval '1 hour'`,
      )
      await client.query(`UPDATE ${schema}.queue SET monitor_on = NULL`)
      await boss.supervise('webhooks/scrapenest')
      return { inbox, event }
    }

    it('is read as one whose lease ended', async () => {
      const { inbox, event } = await endBySupervisor({ retryCount: 0 })
      expect(await inbox.get(event.eventId)).toMatchObject({ state: 'ready', attempts: 1 })
      expect((await inbox.get(event.eventId))?.history).toMatchObject([{ attempt: 1, error: { code: 'lease_ended' } }])
    })

    it('is reported by a worker, and its event retried after the backoff, not hours later', async () => {
      const { inbox, event } = await endBySupervisor({ retryCount: 6, backoff: () => 100 })
      const reports: unknown[] = []
      const consumer = createInboxConsumer(() => {})
      await inbox.start({ ...consumer, report: (error) => reports.push((error as { code?: unknown }).code) })
      await untilInboxStats(inbox, { done: 1 })
      expect(reports).toEqual(['lease_ended'])
      expect(await inbox.get(event.eventId)).toMatchObject({ attempts: 8 })
    })

    it('is reported as dead if it was the last', async () => {
      const { inbox, event } = await endBySupervisor({ retryCount: 2, maxAttempts: 3 })
      const reports: unknown[] = []
      const consumer = createInboxConsumer(() => {})
      await inbox.start({ ...consumer, report: (error) => reports.push((error as { code?: unknown }).code) })
      await vi.waitFor(() => expect(reports).toEqual(['lease_ended', 'event_dead']), 10_000)
      expect(await inbox.get(event.eventId)).toMatchObject({ state: 'dead', attempts: 3 })
    })
  })

  it("works on the user's pg-boss, and leaves it running", async () => {
    const boss = new PgBoss({ connectionString: server.url, schema })
    boss.on('error', () => {})
    onTestFinished(() => boss.stop({ graceful: false }))
    const inbox = createInbox({ boss })
    await inbox.start(createInboxConsumer(() => {}))
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { done: 1 })
    await inbox.close()

    expect(await boss.getQueue('webhooks/scrapenest')).not.toBeNull()
  })

  it('accepts ids and types with characters that jsonb cannot store', async () => {
    const inbox = createInbox()
    const seen: string[] = []
    const ids = ['\u0000', 'a\u0000b', '\ud800', '\udfff', 'é', "'; DROP TABLE x; --", 'a'.repeat(5000)]
    for (const eventId of ids) {
      expect([eventId, await inbox.put(createInboxEvent({ eventId, eventType: `t${eventId}` }))]).toEqual([
        eventId,
        'stored',
      ])
    }
    await inbox.start(createInboxConsumer((event) => seen.push(event.eventId)))
    await untilInboxStats(inbox, { done: ids.length })

    expect(seen.sort()).toEqual([...ids].sort())
    for (const eventId of ids) expect((await inbox.get(eventId))?.eventType).toBe(`t${eventId}`)
  })

  it('can be started by several processes at once on an empty database', async () => {
    const inboxes = Array.from({ length: 5 }, () => createInbox())
    const event = createInboxEvent()
    const results = await Promise.all(inboxes.map(async (inbox) => await inbox.put(event).catch(() => sleep(500))))
    const again = await Promise.all(inboxes.map((inbox) => inbox.put(event)))

    expect(results.filter((result) => result === 'stored').length).toBeLessThanOrEqual(1)
    expect(new Set(again).has('duplicate')).toBe(true)
    expect((await inboxes[0]?.stats())?.ready).toBe(1)
  })

  describe('a check', () => {
    const unavailable = (words: RegExp): object => ({
      code: 'store_unavailable',
      message: expect.stringMatching(words),
    })

    it('leaves no job', async () => {
      const inbox = createInbox()
      await inbox.check()
      expect(await jobs('webhooks/scrapenest')).toEqual([])
    })

    it("creates no queue except the consumer's", async () => {
      const inbox = createInbox()
      await inbox.start(createInboxConsumer(() => {}, 'orders'))
      await inbox.check()
      const { rows } = await client.query(`SELECT name FROM ${schema}.queue WHERE name LIKE 'webhooks/%' ORDER BY name`)
      expect(rows).toEqual([{ name: 'webhooks/orders' }, { name: 'webhooks/orders/dead' }])
    })

    it('fails while PostgreSQL accepts no writes', async () => {
      const database = newPlaceName()
      await client.query(`CREATE DATABASE ${database}`)
      const url = new URL(server.url)
      url.pathname = `/${database}`
      const inbox = createInbox({ connectionString: url.href })
      await inbox.check()
      await client.query(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
      await disconnectAll(database)
      await vi.waitFor(
        () => expect(inbox.check()).rejects.toMatchObject({ ...unavailable(/read-only/), fault: 'read_only' }),
        10_000,
      )
      await client.query(`ALTER DATABASE ${database} SET default_transaction_read_only = off`)
      await disconnectAll(database)
      await vi.waitFor(() => inbox.check(), 10_000)
    })

    it('fails without the schema, or without permission to write to it', async () => {
      const role = newPlaceName()
      const inbox = createInbox()
      await inbox.check()
      await client.query(
        `CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
      )
      const url = new URL(server.url)
      url.username = role
      const boss = new PgBoss({ connectionString: url.href, schema, migrate: false, supervise: false, schedule: false })
      boss.on('error', () => {})
      onTestFinished(() => boss.stop({ graceful: false }))
      await expect(createInbox({ boss }).check()).rejects.toMatchObject(unavailable(/permission denied/))
      await client.query(`DROP SCHEMA ${schema} CASCADE`)
      await expect(inbox.check()).rejects.toMatchObject(unavailable(/does not exist/))
    })

    /** Sessions keep the settings that the database had when they began. */
    async function disconnectAll(database: string): Promise<void> {
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database])
    }
  })

  it('stores again after it was closed during startup', async () => {
    const inbox = createInbox()
    const started = inbox.start(createInboxConsumer(() => {})).catch(() => {})
    // In the next turn, so that pg-boss has begun to start.
    await sleep(0)
    await inbox.close()
    await started
    expect(await inbox.put(createInboxEvent())).toBe('stored')
  })
})
