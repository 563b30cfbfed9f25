// The inbox on pg-boss when PostgreSQL refuses queries, goes silent, or loses pg-boss's tables.
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { createReceiver } from '@scrapenest-webhooks/core'
import { createWorker } from '@scrapenest-webhooks/inbox'
import { type PgBossInbox, type PgBossInboxOptions, pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName } from './engine-inboxes.ts'
import { hasProgram } from './installed-engines.ts'
import { type EngineServer, startPostgres } from './servers.ts'
import { startSilentProxy } from './silent-proxy.ts'

const secret = generateSecret()
const recoveryMs = 15_000

/** Occurs only in pg-boss's `fetch` statement. */
const claimMark = 'next AS ('

describe.skipIf(!hasProgram('postgres'))('an inbox on pg-boss', () => {
  let server: EngineServer
  let client: pg.Client
  let schema: string

  beforeAll(async () => {
    server = await startPostgres()
    client = new pg.Client({ connectionString: server.url })
    await client.connect()
    // Only the role "guarded" needs a password.
    const rules = "('host all guarded 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')"
    const { rows } = await client.query<{ hba_file: string }>('SHOW hba_file')
    await client.query(`CREATE ROLE guarded LOGIN PASSWORD 'p5ecret'`)
    await client.query(`COPY (SELECT * FROM (VALUES ${rules}) AS rules) TO '${rows[0]?.hba_file}'`)
    await client.query('SELECT pg_reload_conf()')
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

  /** A web process and a worker, each with its own inbox. */
  function createProcesses(options: Partial<PgBossInboxOptions> = {}) {
    const reports: { readonly error: Error; readonly from: 'web' | 'worker' }[] = []
    const handled: string[] = []
    const logger = { warn() {}, error() {} }
    const receiver = createReceiver({
      secret,
      inbox: createInbox(options),
      processing: false,
      logger,
      onError: (error) => reports.push({ error: error as Error, from: 'web' }),
    })
    const worker = createWorker({
      inbox: createInbox(options),
      onEvent: { 'job.created': ({ event_id }) => void handled.push(event_id) },
      logger,
      onError: (error) => reports.push({ error: error as Error, from: 'worker' }),
    })
    onTestFinished(async () => {
      await Promise.all([receiver.close({ graceMs: 0 }), worker.close({ graceMs: 0 })])
    })
    async function send(): Promise<{ status: number; eventId: string }> {
      const event = createEvent('job.created')
      const { method, headers, body } = signDelivery(event, { secret })
      return {
        status: (await receiver.receive({ method, headers, body: async () => body })).status,
        eventId: event.event_id,
      }
    }
    /** Waits until a new event is stored and handled. */
    async function untilHandled(timeoutMs = recoveryMs): Promise<void> {
      let eventId: string | undefined
      await vi.waitFor(
        async () => {
          const sent = await send()
          expect(sent.status).toBe(202)
          eventId = sent.eventId
        },
        { timeout: timeoutMs, interval: 100 },
      )
      await vi.waitFor(() => expect(handled).toContain(eventId), { timeout: timeoutMs, interval: 50 })
    }
    return { receiver, worker, send, untilHandled, reports, handled }
  }

  async function createDatabase(settings = '', options = ''): Promise<{ name: string; url: string }> {
    const name = newPlaceName()
    await client.query(`CREATE DATABASE ${name} ${options}`)
    if (settings !== '') await client.query(`ALTER DATABASE ${name} SET ${settings}`)
    return { name, url: urlOf({ database: name }) }
  }

  function urlOf({ database = 'postgres', user = 'postgres', password = '' }): string {
    const url = new URL(server.url)
    Object.assign(url, { pathname: `/${database}`, username: user, password })
    return url.href
  }

  describe('that PostgreSQL refuses', () => {
    /** Expects that `start` rejects, deliveries are answered 503, and reports say what to do without promising a recovery. */
    async function expectRefusal(options: Partial<PgBossInboxOptions>, words: RegExp): Promise<void> {
      const { receiver, worker, send, reports } = createProcesses(options)
      const refusal = {
        code: 'store_unavailable',
        message: expect.stringMatching(words),
        cause: expect.objectContaining({ code: 'configuration_invalid' }),
      }
      await expect(receiver.start()).rejects.toMatchObject(refusal)
      await expect(worker.start()).rejects.toMatchObject(refusal)
      expect((await send()).status).toBe(503)
      await vi.waitFor(
        () => expect(new Set(reports.map(({ from }) => from))).toEqual(new Set(['web', 'worker'])),
        10_000,
      )
      for (const { error } of reports) {
        expect(error).toMatchObject(refusal)
        expect(error.message).not.toMatch(/keeps trying|tried again|is created again/)
        expect(`${inspect(error, { depth: 10 })} ${JSON.stringify(error)}`).not.toContain('p5ecret')
      }
    }

    it('reports which permission is missing', async () => {
      const role = newPlaceName()
      await client.query(`CREATE ROLE ${role} LOGIN`)
      await expectRefusal({ connectionString: urlOf({ user: role }) }, /permission denied.*Grant the role/s)
    })

    it('reports a wrong password without showing it', async () => {
      const connectionString = urlOf({ user: 'guarded', password: 'wrong-p5ecret' })
      await expectRefusal({ connectionString }, /password authentication failed.*Fix the user name and the password/s)
    })

    it('reports a missing database', async () => {
      await expectRefusal(
        { connectionString: urlOf({ database: 'absent' }) },
        /"absent" does not exist.*Create the database/s,
      )
    })

    it('reports an isolation level that is too strict', async () => {
      const { url } = await createDatabase("default_transaction_isolation = 'serializable'")
      await expectRefusal({ connectionString: url }, /'read committed', got 'serializable'/)
    })

    it('reports an encoding that cannot store every event', async () => {
      const { url } = await createDatabase('', "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
      await expectRefusal({ connectionString: url }, /encoding of the database to be UTF8, got LATIN1/)
    })

    it('reports a schema whose name is an SQL keyword', async () => {
      await expectRefusal({ connectionString: server.url, schema: 'order' }, /If schema is an SQL keyword/)
    })

    it('reports that the schema of an earlier pg-boss needs a migration', async () => {
      const boss = new PgBoss({ connectionString: server.url, schema })
      boss.on('error', () => {})
      await boss.start()
      await boss.stop({ graceful: false })
      await client.query(`UPDATE ${schema}.version SET version = version - 1`)
      const old = new PgBoss({ connectionString: server.url, schema, migrate: false })
      old.on('error', () => {})
      onTestFinished(() => old.stop({ graceful: false }))
      await expectRefusal({ boss: old }, /requires migrations.*migrate pg-boss's tables/s)
    })

    it('reports what to create when createSchema is false, and works once it exists', async () => {
      const { receiver, worker, send, untilHandled, reports } = createProcesses({ createSchema: false })
      const refusal = { message: expect.stringMatching(/Create the schema with CREATE SCHEMA/) }
      await expect(receiver.start()).rejects.toMatchObject(refusal)
      await expect(worker.start()).rejects.toMatchObject(refusal)
      await sleep(500)
      expect((await send()).status).toBe(503)
      for (const { error } of reports) expect(error.cause).toMatchObject({ code: 'configuration_invalid' })
      await client.query(`CREATE SCHEMA ${schema}`)
      await untilHandled()
    })
  })

  it('recovers when a read-only PostgreSQL accepts writes, without a restart or a forced reconnect', async () => {
    const { name, url } = await createDatabase()
    const { receiver, worker, send, untilHandled } = createProcesses({ connectionString: url })
    await Promise.all([receiver.start(), worker.start()])
    await untilHandled()
    await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
    await vi.waitFor(async () => expect((await send()).status).toBe(503), 5000)
    await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = off`)
    await untilHandled()
  })

  describe('whose tables are removed', () => {
    it.each([
      ['schema', () => `DROP SCHEMA ${schema} CASCADE`, /The schema \w+, or a table in it, was removed/],
      [
        'queue',
        () =>
          `SELECT ${schema}.delete_queue('webhooks/scrapenest'); SELECT ${schema}.delete_queue('webhooks/scrapenest/dead')`,
        /A queue of this inbox was removed/,
      ],
    ] as const)('reports the loss of its %s once per process, and recreates it', async (what, sql, words) => {
      const { receiver, worker, untilHandled, reports } = createProcesses()
      await Promise.all([receiver.start(), worker.start()])
      await untilHandled()
      await client.query(sql())
      await untilHandled()
      await untilHandled()

      const losses = reports.filter(({ error }) => words.test(error.message))
      expect(losses.map(({ error }) => String(error))).toHaveLength(new Set(losses.map(({ from }) => from)).size)
      expect(losses.length).toBeGreaterThan(0)
      expect(losses.length).toBeLessThanOrEqual(what === 'schema' ? 2 : 1)
    })

    it('answers 503 and reports what to create when createSchema is false', async () => {
      await client.query(`CREATE SCHEMA ${schema}`)
      const { receiver, worker, send, untilHandled, reports } = createProcesses({ createSchema: false })
      await Promise.all([receiver.start(), worker.start()])
      await untilHandled()
      await client.query(`DROP SCHEMA ${schema} CASCADE`)
      await send()
      for (let count = 0; count < 5; count += 1) expect((await send()).status).toBe(503)
      expect(reports.at(-1)?.error).toMatchObject({
        message: expect.stringMatching(/Create the schema with CREATE SCHEMA/),
        cause: { code: 'configuration_invalid' },
      })
      await client.query(`CREATE SCHEMA ${schema}`)
      await untilHandled()
    })

    it('reports an incomplete schema when a table is missing that a start does not create', async () => {
      const { receiver, worker, send, untilHandled, reports } = createProcesses()
      await Promise.all([receiver.start(), worker.start()])
      await untilHandled()
      await client.query(`DROP TABLE ${schema}.job CASCADE`)
      await vi.waitFor(async () => {
        expect((await send()).status).toBe(503)
        expect(reports.at(-1)?.error.message).toMatch(/lacks tables that the installed pg-boss needs/)
      }, 5000)
    })
  })

  describe('whose connections go silent', () => {
    it('answers 503 within a second, and recovers within 15 s without a restart', async () => {
      const proxy = await startSilentProxy(server.url)
      onTestFinished(() => proxy.close())
      const { receiver, worker, send, untilHandled } = createProcesses({ connectionString: proxy.url })
      await Promise.all([receiver.start(), worker.start()])
      // Opens many connections, all of which go silent.
      await Promise.all(Array.from({ length: 20 }, send))
      await untilHandled()
      proxy.silence()
      const startedAtMs = performance.now()
      const { status } = await send()
      expect([status, performance.now() - startedAtMs < 1200]).toEqual([503, true])
      await untilHandled(recoveryMs - (performance.now() - startedAtMs))
    }, 40_000)

    it('returns an event that the application’s pg-boss claimed too late, without counting the attempt', async () => {
      const pool = new pg.Pool({ connectionString: server.url })
      onTestFinished(() => pool.end())
      let isSlow = true
      const boss = new PgBoss({
        schema,
        db: {
          async executeSql(text: string, values?: unknown[]) {
            const result = await pool.query(text, values)
            const isClaim = text.includes(claimMark) && result.rows.length > 0
            if (isSlow && isClaim) {
              isSlow = false
              await sleep(6000)
            }
            return result
          },
        },
      })
      boss.on('error', () => {})
      onTestFinished(() => boss.stop({ graceful: false }))
      const { receiver, worker, send, reports, handled } = createProcesses({ boss, maxAttempts: 1 })
      await receiver.start()
      const { eventId } = await send()
      await worker.start()
      await vi.waitFor(() => expect(handled).toEqual([eventId]), 10_000)

      expect(reports.map(({ error }) => error.message)).toEqual([expect.stringMatching(/no answer within 5000 ms/)])
    })

    it('retries an event when the answer to its claim was lost and its lease expires, and records that attempt', async () => {
      const proxy = await startSilentProxy(server.url)
      onTestFinished(() => proxy.close())
      const { receiver, send } = createProcesses({ leaseMs: 10_000 })
      await receiver.start()
      const { eventId } = await send()
      const inbox = createInbox({ connectionString: proxy.url, leaseMs: 10_000 })
      const attempts: number[] = []
      const histories: unknown[] = []
      const reports: string[] = []
      proxy.loseAnswerTo(claimMark)
      await inbox.start({
        name: 'scrapenest',
        report: (error) => void reports.push(String(error)),
        process: async ({ eventId }, { attempt }) => {
          attempts.push(attempt)
          histories.push((await inbox.get(eventId))?.history)
          return 'handled'
        },
      })
      await vi.waitFor(async () => expect((await inbox.get(eventId))?.state).toBe('running'), 5000)
      await vi.waitFor(async () => expect((await inbox.get(eventId))?.state).toBe('done'), 20_000)

      expect(attempts).toEqual([2])
      expect(histories).toMatchObject([[{ attempt: 1, error: { code: 'lease_ended' } }]])
      expect(reports[0]).toMatch(/PostgreSQL is unavailable/)
    }, 40_000)
  })
})
