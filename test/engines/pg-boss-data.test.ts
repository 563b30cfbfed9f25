// The inbox on pg-boss with numbers and strings that PostgreSQL cannot store, and with rows that cannot be read.
import { WebhookError } from '@scrapenest-webhooks/core'
import { type PgBossInbox, type PgBossInboxOptions, pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName, openServer } from './engine-inboxes.ts'
import { hasEngine } from './installed-engines.ts'

const yearMs = 365 * 86_400_000

describe.skipIf(!hasEngine('postgres'))('the data of an inbox on pg-boss', () => {
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
    const inbox = pgBossInbox({
      connectionString: server.url,
      schema,
      pollIntervalMs: 100,
      backoff: () => 0,
      ...options,
    })
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    return inbox
  }

  /** Expires the leases of running events, as if their process had died. */
  async function expireLeases(): Promise<void> {
    await client.query(
      `UPDATE ${schema}.job SET state = 'active', started_on = now(), heartbeat_on = now() - interval '1 hour' WHERE state < 'completed'`,
    )
  }

  describe('numbers', () => {
    it.each([1e13, 1e16, 1e300, Number.MAX_SAFE_INTEGER])(
      'a backoff of %d ms means a retry after at most ten years, and other events are handled meanwhile',
      async (delayMs) => {
        const inbox = createInbox({ backoff: () => delayMs })
        const failing = createInboxEvent({ eventType: 'job.completed' })
        await inbox.start(
          createInboxConsumer(({ eventType }) => {
            if (eventType === 'job.completed') throw new WebhookError('handler_failed')
          }),
        )
        await inbox.put(failing)
        await vi.waitFor(
          async () => expect(await inbox.get(failing.eventId)).toMatchObject({ state: 'ready', attempts: 1 }),
          10_000,
        )
        await inbox.put(createInboxEvent())
        await untilInboxStats(inbox, { ready: 1, done: 1, running: 0 })

        const { dueAt } = (await inbox.get(failing.eventId)) ?? {}
        const years = ((dueAt as Date).getTime() - Date.now()) / yearMs
        expect(years).toBeGreaterThan(9.9)
        expect(years).toBeLessThan(10.1)
      },
    )

    it('events are stored and retried with the largest maxAttempts and keepDoneMs', async () => {
      const inbox = createInbox({ maxAttempts: Number.MAX_SAFE_INTEGER, keepDoneMs: 3_153_600_000_000 })
      await inbox.start(
        createInboxConsumer((_event, { attempt }) => {
          if (attempt === 1) throw new WebhookError('handler_failed')
        }),
      )
      expect(await inbox.put(createInboxEvent())).toBe('stored')
      await untilInboxStats(inbox, { done: 1 })
      expect(await inbox.replay({ state: 'done' })).toMatchObject({ replayed: 1 })
      await untilInboxStats(inbox, { done: 1, ready: 0 })
    })

    it('filters accept every date', async () => {
      const inbox = createInbox()
      await inbox.put(createInboxEvent())
      const first = new Date(-8_640_000_000_000_000)
      const last = new Date(8_640_000_000_000_000)
      const inside = { receivedFrom: first, receivedBefore: last }
      expect((await inbox.list(inside)).events).toHaveLength(1)
      expect((await inbox.list({ ...inside, finishedBefore: first })).events).toEqual([])
      expect(await inbox.purge({ state: 'done', finishedBefore: last })).toBe(0)
    })
  })

  describe("the application's own parsers of pg", () => {
    it('do not change what is read, and expired events are claimed again', async () => {
      const asText = (value: string): string => value
      for (const [oid, parse] of [
        [pg.types.builtins.TIMESTAMPTZ, asText],
        [pg.types.builtins.JSONB, asText],
        [pg.types.builtins.JSON, asText],
        [pg.types.builtins.INT8, Number],
      ] as const) {
        const previous = pg.types.getTypeParser(oid)
        pg.types.setTypeParser(oid, parse)
        onTestFinished(() => pg.types.setTypeParser(oid, previous))
      }
      const inbox = createInbox()
      const event = createInboxEvent()
      const seen: unknown[] = []
      await inbox.put(event)
      await expireLeases()
      await inbox.start(createInboxConsumer(({ body }, { attempt }) => seen.push([attempt, Buffer.from(body)])))
      await untilInboxStats(inbox, { done: 1 })

      expect(seen).toEqual([[2, Buffer.from(event.body)]])
      const record = await inbox.get(event.eventId)
      expect(record).toMatchObject({ state: 'done', attempts: 2, history: [{ attempt: 2 }] })
      expect(record?.receivedAt).toEqual(event.receivedAt)
      expect(Date.now() - Number(record?.finishedAt)).toBeLessThan(60_000)
      expect((await inbox.list({ limit: 1 })).events).toHaveLength(1)
    })
  })

  describe('stats', () => {
    it('have no oldestReadyAt while the only event waits for its retry, and its due time once that has passed', async () => {
      let delayMs = 3_600_000
      const inbox = createInbox({ backoff: () => delayMs })
      const consumer = createInboxConsumer(() => {
        throw new WebhookError('handler_failed')
      })
      await inbox.start(consumer)
      const waiting = createInboxEvent()
      await inbox.put(waiting)
      await vi.waitFor(
        async () => expect(await inbox.get(waiting.eventId)).toMatchObject({ state: 'ready', attempts: 1 }),
        10_000,
      )
      expect(await inbox.stats()).not.toHaveProperty('oldestReadyAt')

      delayMs = 300
      const failed = createInboxEvent()
      await inbox.put(failed)
      await vi.waitFor(
        async () => expect(await inbox.get(failed.eventId)).toMatchObject({ state: 'ready', attempts: 1 }),
        10_000,
      )
      await inbox.close()
      const dueAt = (await inbox.get(failed.eventId))?.dueAt
      await vi.waitFor(async () => expect((await inbox.stats()).oldestReadyAt).toEqual(dueAt), 10_000)
    })
  })

  it('purge deletes more events than one statement can', async () => {
    const inbox = createInbox()
    await inbox.start(createInboxConsumer(() => {}))
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { done: 1 })
    await client.query(`
      INSERT INTO ${schema}.job (name, data, state, completed_on)
      SELECT name, data, state, completed_on FROM ${schema}.job, generate_series(1, 10000)`)
    expect(await inbox.purge({ state: 'done' })).toBe(10_001)
    expect(await inbox.stats()).toMatchObject({ done: 0 })
  })

  describe('the text of an error', () => {
    it.each(['a\u0000b', 'half \ud800 of a pair', '\udfff'])(
      'is recorded readably when it contains %j',
      async (text) => {
        const inbox = createInbox({ maxAttempts: 1 })
        const event = createInboxEvent()
        await inbox.start(
          createInboxConsumer(() => {
            throw new WebhookError('handler_failed', undefined, { cause: new Error(text) })
          }),
        )
        await inbox.put(event)
        await untilInboxStats(inbox, { dead: 1 })
        const message = text.replace(/\0|\p{Surrogate}/gu, '\ufffd')
        expect((await inbox.get(event.eventId))?.history).toMatchObject([
          { error: { code: 'handler_failed', message } },
        ])
      },
    )

    it('is replaced when PostgreSQL refuses it, so that the event does not stay running', async () => {
      const inbox = createInbox({ maxAttempts: 1 })
      const event = createInboxEvent()
      await inbox.put(event)
      await client.query(`
        CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.output::text LIKE '%unstorable%' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22P05'; END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ${schema}.job_common FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`)
      await inbox.start(
        createInboxConsumer(() => {
          throw new WebhookError('handler_failed', undefined, { cause: new Error('unstorable') })
        }),
      )
      await untilInboxStats(inbox, { dead: 1, running: 0 })
      expect((await inbox.get(event.eventId))?.history).toMatchObject([
        { error: { code: 'handler_failed', message: 'PostgreSQL cannot store the text of this error.' } },
      ])
    })
  })

  describe('an event whose job cannot be read', () => {
    it.each([
      ['no object', "'42'::jsonb"],
      ['null', "'null'::jsonb"],
      ['headers that are text', `jsonb_set(data, '{signedHeaders}', '"no"')`],
      ['a header that is a number', `jsonb_set(data, '{signedHeaders}', '{"svix-id": 1}')`],
      ['no body', "data - 'body'"],
      ['a body that is a number', `jsonb_set(data, '{body}', '1')`],
      ['a time that is text', `jsonb_set(data, '{receivedAt}', '"yesterday"')`],
      ['a time beyond every date', `jsonb_set(data, '{receivedAt}', '1e300')`],
      ['broken exact names', `jsonb_set(data, '{exact}', '"["')`],
    ])('is dead with its own code, without affecting others: %s', async (_name, expression) => {
      const inbox = createInbox()
      const poison = createInboxEvent()
      const reports: string[] = []
      const seen: string[] = []
      await inbox.put(poison)
      await client.query(`UPDATE ${schema}.job SET data = ${expression}`)
      for (let index = 0; index < 3; index += 1) await inbox.put(createInboxEvent())
      // Its lease has expired before, which must be readable too.
      await expireLeases()
      await inbox.start({
        ...createInboxConsumer(({ eventId }) => seen.push(eventId)),
        report: (error) => reports.push(String(error)),
      })
      await untilInboxStats(inbox, { done: 3, dead: 1, running: 0, ready: 0 })

      expect(seen).not.toContain(poison.eventId)
      expect(await inbox.get(poison.eventId)).toMatchObject({
        state: 'dead',
        history: [{ error: { code: 'event_unreadable', message: expect.stringMatching(/: it/) } }],
      })
      await vi.waitFor(
        () =>
          expect(reports.filter((report) => /is dead/.test(report))).toEqual([
            expect.stringMatching(/is dead after 2 attempts/),
          ]),
        10_000,
      )
      const all = { receivedFrom: new Date(0), isUnhandled: false }
      expect((await inbox.list(all)).events.length).toBeGreaterThanOrEqual(3)
      expect((await inbox.list()).events).toHaveLength(4)
      await inbox.replay({ state: 'dead' })
      expect(await inbox.purge({ state: 'done' })).toBe(3)
    })
  })
})
