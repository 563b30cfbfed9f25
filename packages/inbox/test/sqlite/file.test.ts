import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createInboxConsumer, createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sqliteInbox } from '../../src/index.ts'
import { readInboxOptions } from '../../src/options.ts'
import { events as firstSchema } from '../../src/sqlite/migrations/0001-events.ts'
import { prepareStatements } from '../../src/sqlite/statements.ts'
import { SqliteStore, type SqliteStoreOptions } from '../../src/sqlite/store.ts'
import { StoredInbox } from '../../src/store/stored-inbox.ts'
import { temporaryFile } from '../temporary-file.ts'
import { openElsewhere } from './other-process.ts'

function openStore(options: SqliteStoreOptions): SqliteStore {
  const store = new SqliteStore(options)
  onTestFinished(() => store.close())
  return store
}

const first = (row: object | undefined): unknown => Object.values(row ?? {})[0]

describe('an inbox file', () => {
  it('is written ahead and synced at every commit, and sleeps for a lock no longer than 20 ms', async () => {
    let db: DatabaseSync | undefined
    const store = openStore({
      file: temporaryFile(),
      onOpen: (opened) => {
        db = opened
      },
    })
    await store.open()
    const pragma = (name: string): unknown => first(db?.prepare(`PRAGMA ${name}`).get())
    expect(pragma('journal_mode')).toBe('wal')
    // 2 is FULL.
    expect(pragma('synchronous')).toBe(2)
    expect(pragma('busy_timeout')).toBeLessThanOrEqual(20)
    expect(pragma('foreign_keys')).toBe(1)
    if (process.platform === 'darwin') expect(pragma('fullfsync')).toBe(1)
  })

  it('is readable by its owner only, in a directory that is created if missing', async () => {
    const file = join(temporaryFile(), 'deep', 'webhooks.db')
    const store = openStore({ file })
    await store.put(createInboxEvent(), { nowMs: 0 })
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(file + suffix).mode & 0o777).toBe(0o600)
    expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700)
  })

  it('is closed at the end of a block with `await using`', async () => {
    const file = temporaryFile()
    {
      await using inbox = sqliteInbox({ file })
      await inbox.put(createInboxEvent())
      expect(existsSync(`${file}-wal`)).toBe(true)
    }
    expect(existsSync(`${file}-wal`)).toBe(false)
  })

  it('can have a name to which SQLite can just append the suffix of its journal', async () => {
    const file = join(dirname(temporaryFile()), 'w'.repeat(247))
    const store = openStore({ file })
    expect(await store.put(createInboxEvent(), { nowMs: 0 })).toBe('stored')
  })

  it('is searched with indexes that do not grow with done events', async () => {
    const queries: string[] = []
    const store = openStore({
      file: temporaryFile(),
      onOpen(db) {
        const plan = (sql: string): void => {
          queries.push(
            ...db
              .prepare(`EXPLAIN QUERY PLAN ${sql}`)
              .all()
              .map(({ detail }) => String(detail)),
          )
        }
        plan("SELECT id FROM events WHERE name = 'x' AND state = 'ready' AND due_at_ms <= 1 ORDER BY due_at_ms, id")
        plan("SELECT id FROM events WHERE name = 'x' AND state = 'running' AND due_at_ms <= 1 ORDER BY due_at_ms")
        plan("SELECT id FROM events WHERE event_id = 'x' AND name = 'x' AND finished_at_ms IS NULL")
        plan("SELECT id FROM events WHERE event_id = 'x' AND name = 'x' AND finished_at_ms IS NOT NULL")
      },
    })
    await store.open()
    expect(queries).toEqual([
      expect.stringContaining('USING COVERING INDEX events_ready (name=? AND due_at_ms<?)'),
      expect.stringContaining('USING COVERING INDEX events_running (name=? AND due_at_ms<?)'),
      expect.stringMatching(/USING (COVERING )?INDEX events_unfinished \(event_id=\? AND name=\?\)/),
      expect.stringMatching(/USING (COVERING )?INDEX events_finished \(event_id=\? AND name=\?\)/),
    ])
  })

  it('is never searched row by row', async () => {
    const scans: string[] = []
    const store = openStore({
      file: temporaryFile(),
      onOpen(db) {
        for (const [name, { sourceSQL }] of Object.entries(prepareStatements(db))) {
          const plan = db.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all()
          if (plan.some(({ detail }) => /^SCAN (events|payloads|attempts)/.test(String(detail)))) scans.push(name)
        }
      },
    })
    await store.open()
    expect(scans).toEqual([])
  })

  it('of a newer release is refused and left unchanged', async () => {
    const file = temporaryFile()
    await openStore({ file }).open()
    changeFile(file, 'PRAGMA user_version = 99')
    const before = readFileSync(file)
    await expect(openStore({ file }).open()).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringMatching(
        /written by a newer release \(schema 99; this release supports up to 3\).*Update/s,
      ),
    })
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  it('of another application is refused and left unchanged', async () => {
    const file = temporaryFile()
    changeFile(file, 'CREATE TABLE customers (id INTEGER)')
    const before = readFileSync(file)
    await expect(openStore({ file }).open()).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('another application'),
    })
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  it('that was created but never migrated is migrated', async () => {
    const file = temporaryFile()
    changeFile(file, 'PRAGMA journal_mode = WAL; PRAGMA application_id = 0x534e4942')
    const store = openStore({ file })
    expect(await store.put(createInboxEvent(), { nowMs: 0 })).toBe('stored')
    changeFile(file, '', (db) => expect(first(db.prepare('PRAGMA user_version').get())).toBe(3))
  })

  describe('of the first schema', () => {
    /** A file as the first release wrote it, with one event in each state, and the statement that release stores with. */
    function fileOfFirstRelease(): { readonly file: string; readonly store: (eventId: string) => unknown } {
      const file = temporaryFile()
      const db = new DatabaseSync(file)
      onTestFinished(() => db.close())
      db.exec(`
        PRAGMA journal_mode = WAL;
        ${firstSchema};
        PRAGMA application_id = 0x534e4942;
        PRAGMA user_version = 1;
        INSERT INTO events (name, event_id, event_type, message_id, secret_index, sent_at_ms, received_at_ms, state, attempts,
          due_at_ms, claimed_at_ms, lease_token, finished_at_ms)
        VALUES ('scrapenest', 'ready', 'job.created', 'msg-1', 0, 1, 2, 'ready', 0, 2, NULL, NULL, NULL),
          ('scrapenest', 'running', 'job.created', 'msg-2', 0, 1, 2, 'running', 1, 3, 2, 'token', NULL),
          ('scrapenest', 'done', 'job.created', 'msg-3', 0, 1, 2, 'done', 1, NULL, 2, NULL, 3),
          ('scrapenest', 'dead', 'job.created', 'msg-4', 0, 1, 2, 'dead', 1, NULL, 2, NULL, 3);
        INSERT INTO payloads SELECT id, '{}', x'7b7d' FROM events;
        INSERT INTO attempts SELECT id, 1, 1, 0, 2, 1, NULL FROM events WHERE finished_at_ms IS NOT NULL`)
      const insert = db.prepare(`
        INSERT INTO events (name, event_id, event_type, message_id, secret_index, sent_at_ms, received_at_ms, state, due_at_ms)
        VALUES ('scrapenest', ?, 'job.created', 'msg', 0, 1, 2, 'ready', 2) ON CONFLICT DO NOTHING RETURNING id`)
      return { file, store: (eventId) => insert.get(eventId) }
    }
    const eventIds = ['ready', 'running', 'done', 'dead']

    it('keeps its events, and recognizes them in every state', async () => {
      const { file } = fileOfFirstRelease()
      const inbox = sqliteInbox({ file })
      onTestFinished(() => inbox.close())
      expect(await inbox.stats()).toMatchObject({ ready: 1, running: 1, done: 1, dead: 1 })
      for (const eventId of eventIds) {
        expect(await inbox.put(createInboxEvent({ eventId }))).toBe('duplicate')
        expect(await inbox.get(eventId)).toMatchObject({ state: eventId, body: new Uint8Array([0x7b, 0x7d]) })
        expect((await inbox.list({ eventId })).events).toHaveLength(1)
      }
      expect(await inbox.replay({ eventId: 'done' })).toEqual({ replayed: 1, withoutPayload: 0 })
      expect(await inbox.purge({ state: 'dead' })).toBe(1)
      expect(await inbox.put(createInboxEvent({ eventId: 'done' }))).toBe('duplicate')
      expect(await inbox.put(createInboxEvent({ eventId: 'dead' }))).toBe('stored')
    })

    it('does not store an event twice while a process of the first release still has it open', async () => {
      const { file, store } = fileOfFirstRelease()
      await openStore({ file }).open()
      expect(eventIds.map(store)).toEqual([undefined, undefined, undefined, undefined])
      expect(store('new')).toEqual({ id: 5 })
    })
  })

  it('is migrated once by two connections that open it at the same time', async () => {
    const file = temporaryFile()
    const stores = [openStore({ file }), openStore({ file })]
    const results = await Promise.all(
      stores.map((store) => store.put(createInboxEvent({ eventId: 'same' }), { nowMs: 0 })),
    )
    expect(results.sort()).toEqual(['duplicate', 'stored'])
  })

  it('is refused if SQLite cannot use a write-ahead log', () => {
    expect(() => sqliteInbox({ file: ':memory:' })).toThrow(/memoryInbox/)
  })

  it('stays in place when the working directory changes', async () => {
    const file = temporaryFile()
    const before = process.cwd()
    process.chdir(join(file, '..'))
    const inbox = sqliteInbox({ file: './webhooks.db' })
    process.chdir(before)
    onTestFinished(() => inbox.close())
    await inbox.put(createInboxEvent())
    expect(statSync(file).isFile()).toBe(true)
  })
})

describe('with an SQLite older than 3.51.3', () => {
  const old = (): string => '3.51.2'

  it('one connection opens the file exclusively, and a second one in the same process is refused with the reason', async () => {
    const file = temporaryFile()
    const one = openStore({ file, sqliteVersion: old })
    expect(await one.put(createInboxEvent(), { nowMs: 0 })).toBe('stored')
    const two = new StoredInbox(openStore({ file, sqliteVersion: old }), readInboxOptions({}))
    await expect(two.start(createInboxConsumer(() => {}))).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringMatching(
        /already open in this process.*SQLite 3\.51\.2.*Reuse the existing inbox, or use Node 22\.23, 24\.21/s,
      ),
    })
    await two.close()
    expect(await one.put(createInboxEvent(), { nowMs: 0 })).toBe('stored')
  })

  it('a second one in another process is refused too', async () => {
    const file = temporaryFile()
    const { stdout } = openElsewhere(file, { exclusively: true })
    await once(stdout, 'data')
    await expect(openStore({ file, sqliteVersion: old }).open()).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringMatching(/already open in another process/),
    })
  })

  it('the second one takes over when the first has closed', async () => {
    const file = temporaryFile()
    const one = openStore({ file, sqliteVersion: old })
    await one.put(createInboxEvent(), { nowMs: 0 })
    const two = openStore({ file, sqliteVersion: old })
    await expect(two.put(createInboxEvent(), { nowMs: 0 })).rejects.toThrow()
    await one.close()
    expect(await two.put(createInboxEvent(), { nowMs: 0 })).toBe('stored')
  })

  it('a newer SQLite finds the file locked', async () => {
    const file = temporaryFile()
    await openStore({ file, sqliteVersion: old }).put(createInboxEvent(), { nowMs: 0 })
    await expect(openStore({ file }).open()).rejects.toMatchObject({
      code: 'store_unavailable',
      fault: 'locked',
    })
  })

  it.each([
    ['3.51.3', 0],
    ['3.52.0', 0],
    ['4.0.0', 0],
    ['3.51.2', 1],
    ['3.46.1', 1],
  ])('%s opens the file exclusively: %s', async (version, isExclusive) => {
    let mode: unknown
    const store = openStore({
      file: temporaryFile(),
      sqliteVersion: () => version,
      onOpen: (db) => {
        mode = first(db.prepare('PRAGMA locking_mode').get())
      },
    })
    await store.open()
    expect(mode).toBe(isExclusive === 1 ? 'exclusive' : 'normal')
  })
})

it('can be imported without node:sqlite, and says what is missing when used', () => {
  const program = `
    import { memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
    memoryInbox()
    await sqliteInbox({ file: process.argv[1] }).stats().catch((error) => console.log(error.code, error.message))`
  const parameters = ['--conditions=@scrapenest-webhooks/source', '--no-experimental-sqlite', '--input-type=module']
  const output = execFileSync(process.execPath, [...parameters, '-e', program, temporaryFile()], {
    cwd: join(import.meta.dirname, '..', '..', '..', '..', 'test'),
    encoding: 'utf8',
  })
  expect(output).toMatch(/^configuration_invalid sqliteInbox needs node:sqlite, available since Node 22\.13/)
})

it.each([
  '',
  ':memory:',
  'file:./webhooks.db',
  'sqlite:webhooks.db',
  'sqlite://user:password@host/x',
  'postgres://user:password@host/x',
  'FILE:webhooks.db',
  'web\0hooks.db',
  '~/webhooks.db',
  1,
  undefined,
])('refuses %o as a file', (file) => {
  expect(() => sqliteInbox({ file } as never)).toThrow(expect.objectContaining({ code: 'configuration_invalid' }))
  expect(() => sqliteInbox({ file } as never)).not.toThrow(/password/)
})

it('refuses unknown options', () => {
  for (const options of [{}, undefined]) {
    expect(() => sqliteInbox(options as never)).toThrow(expect.objectContaining({ code: 'configuration_invalid' }))
  }
  expect(() => sqliteInbox({ file: 'x.db', flie: 1 } as never)).toThrow(/Unknown option "flie"/)
})

function changeFile(file: string, sql: string, look: (db: DatabaseSync) => void = () => {}): void {
  const db = new DatabaseSync(file)
  db.exec(sql)
  look(db)
  db.close()
}
