import { setTimeout as sleep } from 'node:timers/promises'
import { createWorker, type InboxWorker } from '@scrapenest-webhooks/inbox'
import {
  type PgBossInbox,
  type PgBossInboxOptions,
  pgBossInbox,
  type TransactionLike,
} from '@scrapenest-webhooks/inbox-pg-boss'
import { createEvent, createInboxEvent } from '@scrapenest-webhooks/testing'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import pg from 'pg'
import { fromDrizzle } from 'pg-boss'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName, openServer } from './engine-inboxes.ts'
import { hasEngine } from './installed-engines.ts'

/** A library that runs work in a transaction, and the object it passes to `completeIn`. */
interface Library {
  readonly name: string
  run(work: (transaction: TransactionLike, insert: (id: string) => Promise<unknown>) => Promise<void>): Promise<void>
}

describe.skipIf(!hasEngine('postgres'))("an event completed in the user's transaction", () => {
  let server: Awaited<ReturnType<typeof openServer>>
  let pool: pg.Pool
  let schema: string

  beforeAll(async () => {
    server = await openServer('pg-boss')
    pool = new pg.Pool({ connectionString: server.url, max: 5 })
    pool.on('error', () => {})
  })

  beforeEach(async () => {
    schema = newPlaceName()
    await pool.query('DROP TABLE IF EXISTS artifacts')
    await pool.query('CREATE TABLE artifacts (event_id text)')
  })

  afterAll(async () => {
    await pool?.end()
    await server?.dispose()
  })

  const insertion = 'INSERT INTO artifacts (event_id) VALUES ($1)'

  const libraries: readonly Library[] = [
    {
      name: 'pg',
      async run(work) {
        const client = await pool.connect()
        try {
          await client.query('BEGIN')
          await work(client, (id) => client.query(insertion, [id]))
          await client.query('COMMIT')
        } catch (error) {
          await client.query('ROLLBACK')
          throw error
        } finally {
          client.release()
        }
      },
    },
    {
      name: 'knex',
      async run(work) {
        const db = knex({ client: 'pg', connection: server.url })
        try {
          await db.transaction((trx) => work(trx, (id) => trx('artifacts').insert({ event_id: id })))
        } finally {
          await db.destroy()
        }
      },
    },
    {
      name: 'drizzle',
      async run(work) {
        await drizzle(pool).transaction((tx) =>
          work(fromDrizzle(tx, sql), (id) => tx.execute(sql`INSERT INTO artifacts (event_id) VALUES (${id})`)),
        )
      },
    },
  ]

  function createInbox(options: Partial<PgBossInboxOptions> = {}): PgBossInbox {
    const inbox = pgBossInbox({
      connectionString: server.url,
      schema,
      backoff: () => 0,
      pollIntervalMs: 100,
      leaseMs: 10_000,
      ...options,
    })
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    return inbox
  }

  async function work(
    inbox: PgBossInbox,
    handle: (eventId: string, delivery: { signal: AbortSignal; attempt: number }) => Promise<void>,
  ): Promise<InboxWorker> {
    const worker = createWorker({
      inbox,
      logger: { warn() {}, error() {} },
      onEvent: { 'artifact.ready': (event, delivery) => handle(event.event_id, delivery) },
    })
    await worker.start()
    return worker
  }

  function artifactReady(): ReturnType<typeof createInboxEvent> {
    const event = createEvent('artifact.ready')
    return createInboxEvent({
      eventId: event.event_id,
      eventType: 'artifact.ready',
      body: Buffer.from(JSON.stringify(event)),
    })
  }

  async function rows(): Promise<readonly string[]> {
    const { rows: found } = await pool.query<{ event_id: string }>('SELECT event_id FROM artifacts')
    return found.map(({ event_id: id }) => id)
  }

  const untilDone = (inbox: PgBossInbox): Promise<void> =>
    vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ ready: 0, running: 0, done: 1 }), 10_000)

  describe.each(libraries)('with $name', ({ run }) => {
    it('is done and its row exists once the transaction commits', async () => {
      const inbox = createInbox()
      const event = artifactReady()
      const seen: unknown[] = []
      await work(inbox, async (eventId, delivery) => {
        await run(async (transaction, insert) => {
          await insert(eventId)
          await inbox.completeIn(transaction, delivery)
          // Neither is visible before the commit.
          seen.push(await rows(), (await inbox.get(eventId))?.state)
        })
        seen.push(await rows(), (await inbox.get(eventId))?.state)
      })
      await inbox.put(event)
      await vi.waitFor(() => expect(seen).toHaveLength(4), 10_000)

      expect(seen).toEqual([[], 'running', [event.eventId], 'done'])
      expect((await inbox.get(event.eventId))?.attempts).toBe(1)
    })

    it('drops its payload in the same transaction when keepPayload is false', async () => {
      const inbox = createInbox({ keepPayload: false })
      const event = artifactReady()
      await work(inbox, async (eventId, delivery) => {
        await run(async (transaction, insert) => {
          await insert(eventId)
          await inbox.completeIn(transaction, delivery)
        })
      })
      await inbox.put(event)
      await untilDone(inbox)

      expect(await inbox.get(event.eventId)).toMatchObject({ state: 'done', body: undefined, signedHeaders: undefined })
      expect(await rows()).toEqual([event.eventId])
    })

    it('is retried, and has no row, when the transaction rolls back', async () => {
      const inbox = createInbox()
      const event = artifactReady()
      const seen: unknown[] = []
      await work(inbox, async (eventId, delivery) => {
        seen.push(delivery.attempt, await rows())
        await run(async (transaction, insert) => {
          await insert(eventId)
          await inbox.completeIn(transaction, delivery)
          if (delivery.attempt === 1) throw new Error('not now')
        })
      })
      await inbox.put(event)
      await untilDone(inbox)

      expect(seen).toEqual([1, [], 2, []])
      expect(await rows()).toEqual([event.eventId])
    })
  })

  it('is retried even when the handler hides that its transaction rolled back', async () => {
    const inbox = createInbox()
    const attempts: number[] = []
    await work(inbox, async (_eventId, delivery) => {
      attempts.push(delivery.attempt)
      const client = await pool.connect()
      await client.query('BEGIN')
      await inbox.completeIn(client, delivery)
      await client.query(delivery.attempt === 1 ? 'ROLLBACK' : 'COMMIT')
      client.release()
    })
    await inbox.put(artifactReady())
    await untilDone(inbox)

    expect(attempts).toEqual([1, 2])
  })

  it('is not completed by an attempt that has lost its claim', async () => {
    const inbox = createInbox()
    const event = artifactReady()
    let refusal: unknown
    await work(inbox, async (eventId, delivery) => {
      if (delivery.attempt > 1) return
      // As after a pause longer than the lease: another worker has ended the attempt.
      await pool.query(`UPDATE ${schema}.job SET retry_count = retry_count + 1, state = 'retry' WHERE state = 'active'`)
      const client = await pool.connect()
      await client.query('BEGIN')
      await client.query(insertion, [eventId])
      refusal = await inbox.completeIn(client, delivery).catch((error) => error)
      await client.query('ROLLBACK')
      client.release()
      throw refusal
    })
    await inbox.put(event)
    await untilDone(inbox)

    // The second attempt may end before the first.
    await vi.waitFor(() => expect(refusal).toMatchObject({ name: 'LeaseLostError', code: 'event_in_progress' }), 10_000)
    expect(await rows()).toEqual([])
  })

  it('rejects values that are not a transaction, and deliveries of another inbox', async () => {
    const inbox = createInbox()
    const refusals: unknown[] = []
    const db = knex({ client: 'pg', connection: server.url })
    onTestFinished(() => db.destroy())
    await work(inbox, async (_eventId, delivery) => {
      for (const no of [pool, db, {}, undefined]) {
        refusals.push(await inbox.completeIn(no as TransactionLike, delivery).catch(({ code }) => code))
      }
    })
    await inbox.put(artifactReady())
    await untilDone(inbox)
    const stranger = { signal: new AbortController().signal }
    const client = await pool.connect()
    refusals.push(await inbox.completeIn(client, stranger).catch(({ code }) => code))
    client.release()

    expect(refusals).toEqual(Array(5).fill('configuration_invalid'))
  })

  it('keeps its lease while its transaction stays open past several renewals', async () => {
    const inbox = createInbox()
    const event = artifactReady()
    let wasAborted: boolean | undefined
    await work(inbox, async (_eventId, delivery) => {
      const client = await pool.connect()
      await client.query('BEGIN')
      await inbox.completeIn(client, delivery)
      // Three renewals become due in this time and would wait for the row's lock.
      await sleep(11_000)
      wasAborted = delivery.signal.aborted
      await client.query('COMMIT')
      client.release()
    })
    await inbox.put(event)
    await vi.waitFor(async () => expect((await inbox.get(event.eventId))?.state).toBe('done'), 15_000)

    expect(wasAborted).toBe(false)
  })
})
