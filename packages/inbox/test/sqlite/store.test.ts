import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Inbox, sqliteInbox } from '../../src/index.ts'
import { temporaryFile } from '../temporary-file.ts'
import { countTurns } from './event-loop.ts'

const day = 86_400_000
const begin = Date.UTC(2026, 0, 1)

/** An inbox with one event per second, all done except for every thousandth, which is dead. */
async function filledInbox(events: number): Promise<{ readonly inbox: Inbox; readonly file: string }> {
  const file = temporaryFile()
  const inbox = sqliteInbox({ file })
  onTestFinished(() => inbox.close())
  await inbox.stats()
  const db = new DatabaseSync(file)
  db.exec(`
    BEGIN;
    INSERT INTO events (name, event_id, event_type, message_id, secret_index, sent_at_ms, received_at_ms, state, attempts,
      finished_at_ms)
    SELECT 'scrapenest', 'event-' || i, 'job.created', 'msg-' || i, 0, ${begin} + i * 1000, ${begin} + i * 1000,
      iif(i % 1000 = 0, 'dead', 'done'), 1, ${begin} + i * 1000
    FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${events}) SELECT i FROM n);
    INSERT INTO payloads SELECT id, '{}', x'7b7d' FROM events;
    INSERT INTO attempts SELECT id, 1, 1, 0, received_at_ms, 5, NULL FROM events;
    COMMIT`)
  db.close()
  return { inbox, file }
}

function finishAll(file: string): void {
  const db = new DatabaseSync(file)
  db.exec("UPDATE events SET state = 'done', due_at_ms = NULL, finished_at_ms = 1")
  db.close()
}

/** An inbox with this many finished events, the first of them dead. Skips the slow parts of storing. */
async function hugeInbox(events: number): Promise<Inbox> {
  const file = temporaryFile()
  const inbox = sqliteInbox({ file })
  onTestFinished(() => inbox.close())
  await inbox.stats()
  const db = new DatabaseSync(file)
  db.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    DROP TRIGGER events_inserted;
    DROP TRIGGER events_recognized;
    DROP INDEX events_finished;
    INSERT INTO events (name, event_id, event_type, message_id, secret_index, sent_at_ms, received_at_ms, state, attempts,
      finished_at_ms)
    SELECT 'scrapenest', 'event-' || i, 'job.created', 'msg-' || i, 0, ${begin}, ${begin}, iif(i = 1, 'dead', 'done'), 1, ${begin}
    FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${events}) SELECT i FROM n);
    COMMIT`)
  db.close()
  return inbox
}

describe('many events in a file', () => {
  it('are listed across slices, even if few match', async () => {
    const { inbox } = await filledInbox(9_500)
    const first = await inbox.list({ state: 'dead', limit: 4 })
    expect(first.events.map(({ eventId }) => eventId)).toEqual(['event-9000', 'event-8000', 'event-7000', 'event-6000'])
    const second = await inbox.list({ state: 'dead', limit: 100, cursor: first.nextCursor })
    expect(second.events.map(({ eventId }) => eventId)).toEqual([5, 4, 3, 2, 1].map((n) => `event-${n}000`))
    expect(second.nextCursor).toBeUndefined()
  })

  it('do not block the event loop while a list searches them', async () => {
    const inbox = await hugeInbox(400_000)
    const turns = countTurns()
    expect((await inbox.list({ state: 'dead' })).events.map(({ eventId }) => eventId)).toEqual(['event-1'])
    // One for each 2 ms of reading; none if the list read all rows in one go.
    expect(turns()).toBeGreaterThan(5)
  })

  it('are listed completely even if the inbox closes in the meantime, and the file stays closed', async () => {
    const { inbox, file } = await filledInbox(9_500)
    const [{ events }] = await Promise.all([inbox.list({ state: 'dead' }), inbox.close()])
    expect(events).toHaveLength(9)
    expect(existsSync(`${file}-wal`)).toBe(false)
  })

  it('are counted without reading any row', async () => {
    const { inbox } = await filledInbox(5_000)
    expect(await inbox.stats()).toEqual({ ready: 0, running: 0, done: 4_995, dead: 5, unhandled: 0 })
  })

  it('are purged by age, with all their data; dead ones are kept', async () => {
    const { inbox, file } = await filledInbox(5_000)
    expect(await inbox.purge({ state: 'done', finishedBefore: new Date(begin + 3_000_500) })).toBe(2_997)
    expect(await inbox.stats()).toMatchObject({ done: 1_998, dead: 5 })
    const db = new DatabaseSync(file, { readOnly: true })
    onTestFinished(() => db.close())
    for (const table of ['events', 'payloads', 'attempts']) {
      expect(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 2_003 })
    }
  })

  it('are purged in steps, with deliveries stored in between', async () => {
    const { inbox } = await filledInbox(3_000)
    let stored = 0
    let isPurging = true
    const purge = inbox.purge({ state: 'done' }).finally(() => {
      isPurging = false
    })
    while (isPurging) {
      await inbox.put(createInboxEvent())
      stored += 1
    }
    expect(await purge).toBe(2_997)
    expect(stored).toBeGreaterThan(30)
    expect((await inbox.stats()).ready).toBe(stored)
  })

  it('leave a file that shrinks when they are purged', async () => {
    const file = temporaryFile()
    const inbox = sqliteInbox({ file })
    onTestFinished(() => inbox.close())
    const events = Array.from({ length: 400 }, () => createInboxEvent({ body: new Uint8Array(20_000) }))
    for (const event of events) await inbox.put(event)
    finishAll(file)
    const megabytes = (): number => Math.round((statSync(file).size + statSync(`${file}-wal`).size) / 1e6)
    expect(megabytes()).toBeGreaterThan(8)
    expect(await inbox.purge({ state: 'done' })).toBe(400)
    expect(megabytes()).toBeLessThan(2)
    expect(await inbox.put(createInboxEvent())).toBe('stored')
  })

  it('are purged from a file of an older release, which keeps its size', async () => {
    const file = temporaryFile()
    const db = new DatabaseSync(file)
    db.exec('PRAGMA journal_mode = WAL; PRAGMA application_id = 0x534e4942')
    db.close()
    const inbox = sqliteInbox({ file })
    onTestFinished(() => inbox.close())
    for (let count = 0; count < 100; count += 1) await inbox.put(createInboxEvent({ body: new Uint8Array(20_000) }))
    finishAll(file)
    expect(await inbox.purge({ state: 'done' })).toBe(100)
  })

  it('are replayed as filtered', async () => {
    const { inbox } = await filledInbox(3_000)
    const receivedFrom = new Date(begin + 2_500_000)
    expect(await inbox.replay({ state: 'done', receivedFrom })).toEqual({ replayed: 500, withoutPayload: 0 })
    expect(await inbox.stats()).toMatchObject({ ready: 500, done: 2_497, dead: 3 })
  })

  it('report when the oldest overdue one became due', async () => {
    const file = temporaryFile()
    let nowMs = begin
    const inbox = sqliteInbox({ file, now: () => nowMs })
    onTestFinished(() => inbox.close())
    await inbox.put(createInboxEvent({ name: 'one' }))
    nowMs += day
    await inbox.put(createInboxEvent({ name: 'two' }))
    expect((await inbox.stats()).oldestReadyAt).toEqual(new Date(begin))
    expect((await inbox.stats({ name: 'two' })).oldestReadyAt).toEqual(new Date(begin + day))
  })
})

describe('a check', () => {
  it('is committed to disk, and leaves no row in any table', async () => {
    const file = temporaryFile()
    const inbox = sqliteInbox({ file })
    onTestFinished(() => inbox.close())
    await inbox.stats()
    const bytesBefore = statSync(`${file}-wal`).size
    await inbox.check()
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(bytesBefore)
    const db = new DatabaseSync(file, { readOnly: true })
    onTestFinished(() => db.close())
    for (const table of ['events', 'payloads', 'attempts', 'counts']) {
      expect(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 0 })
    }
  })
})
