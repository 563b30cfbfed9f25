import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { createReceiver, type WebhookReply } from '@scrapenest-webhooks/core'
import { createEvent, createInboxEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Inbox } from '../../src/index.ts'
import { readInboxOptions } from '../../src/options.ts'
import { SqliteStore } from '../../src/sqlite/store.ts'
import { StoredInbox } from '../../src/store/stored-inbox.ts'
import { temporaryFile } from '../temporary-file.ts'
import { countTurns } from './event-loop.ts'

/** A receiver with an inbox in a file, whose connection and file the test can break. */
async function receiverOf(file: string): Promise<{
  readonly inbox: Inbox
  readonly db: () => DatabaseSync
  readonly handled: string[]
  readonly errors: { readonly code: string; readonly message: string }[]
  readonly deliver: (bytes?: number) => Promise<WebhookReply>
  readonly started: Promise<void>
}> {
  const secret = generateSecret()
  let db: DatabaseSync | undefined
  const store = new SqliteStore({
    file,
    onOpen: (opened) => {
      db = opened
    },
  })
  const inbox = new StoredInbox(store, readInboxOptions({ pollIntervalMs: 20 }))
  const handled: string[] = []
  const errors: { code: string; message: string }[] = []
  const receiver = createReceiver({
    secret,
    inbox,
    onEvent: { '*': (event) => handled.push(event.event_id) },
    onError: (error, { code }) => errors.push({ code, message: (error as Error).message }),
    logger: { warn() {}, error() {} },
  })
  onTestFinished(() => receiver.close({ graceMs: 100 }))
  const started = receiver.start()
  started.catch(() => {})
  await started.catch(() => {})
  return {
    inbox,
    db: () => db as DatabaseSync,
    handled,
    errors,
    started,
    deliver(bytes = 10) {
      const event = createEvent('job.created', { data: { target_url: 'x'.repeat(bytes) } })
      const { method, headers, body } = signDelivery(event, { secret })
      return receiver.receive({ method, headers, body: async () => body })
    },
  }
}

const unavailable = { status: 503, headers: { 'retry-after': '30' }, body: '{"error":"store_unavailable"}' }

describe('a full disk', () => {
  it('replies with 503 to exactly the deliveries that were not stored, and needs no restart once it has room', async () => {
    const { db, deliver, errors, handled, inbox } = await receiverOf(temporaryFile())
    expect((await deliver()).status).toBe(202)
    await vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ done: 1 }), 10_000)
    const pages = Object.values(db().prepare('PRAGMA page_count').get() ?? {})[0] as number
    db().exec(`PRAGMA max_page_count = ${pages + 4}`)
    const replies = await Promise.all(Array.from({ length: 6 }, () => deliver(20_000)))
    expect(replies).toEqual(Array.from({ length: 6 }, () => expect.objectContaining({ status: 503 })))
    expect(replies[0]).toMatchObject(unavailable)
    expect(errors[0]).toMatchObject({ code: 'store_unavailable', message: expect.stringContaining('cannot grow') })
    expect(await inbox.stats()).toMatchObject({ done: 1, ready: 0 })
    db().exec(`PRAGMA max_page_count = ${pages}`)
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault: 'full' })
    db().exec('PRAGMA max_page_count = 1000000')
    await inbox.check()
    expect((await deliver(20_000)).status).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(2), 10_000)
  })

  it('makes the inbox copy its log into the file, which frees the space of the log', async () => {
    const file = temporaryFile()
    const { db, deliver } = await receiverOf(file)
    expect((await deliver()).status).toBe(202)
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(0)
    db().exec('PRAGMA max_page_count = 1')
    expect((await deliver(20_000)).status).toBe(503)
    expect(statSync(`${file}-wal`).size).toBe(0)
  })
})

describe('a disk that is full when a purge begins', () => {
  it('fails the purge only if emptying the log made no room', async () => {
    const roomNeeded = [1_000_000, 0, 1_000_000, 1_000_000]
    let db: DatabaseSync | undefined
    const store = new SqliteStore({
      file: temporaryFile(),
      onOpen(opened) {
        db = opened
        // A deletion writes this much to the log, so it needs that much room.
        opened.function('room_needed', () => roomNeeded.shift() ?? 0)
        opened.exec(`
          CREATE TABLE room (bytes BLOB);
          CREATE TEMP TRIGGER deletion AFTER DELETE ON events BEGIN
            INSERT INTO room VALUES (zeroblob(room_needed()));
          END;
          PRAGMA max_page_count = 100`)
      },
    })
    onTestFinished(() => store.close())
    const purge = async (): Promise<number> => {
      await store.put(createInboxEvent(), { nowMs: 0 })
      db?.exec("UPDATE events SET state = 'done', due_at_ms = NULL, finished_at_ms = 1")
      return await store.purge({ state: 'done' })
    }
    expect(await purge()).toBe(1)
    await expect(purge()).rejects.toMatchObject({ fault: 'full' })
  })
})

describe('a lock that another process holds', () => {
  it('answers 503 after about a second, and does not block the event loop until then', async () => {
    const file = temporaryFile()
    const { deliver, handled, inbox } = await receiverOf(file)
    expect((await deliver()).status).toBe(202)
    const holder = await holdLock(file)
    const turns = countTurns()
    const startedAtMs = performance.now()
    const replies = await Promise.all(Array.from({ length: 20 }, () => deliver()))
    const waitedMs = performance.now() - startedAtMs
    // About 150 on an idle machine; at most 2 if SQLite itself waited for the lock.
    expect(turns()).toBeGreaterThan(10)
    for (const reply of replies) expect(reply).toMatchObject(unavailable)
    expect(waitedMs).toBeGreaterThan(900)
    expect(waitedMs, 'the sender waits for 10 s').toBeLessThan(9000)
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault: 'locked' })
    await holder.release()
    await inbox.check()
    expect((await deliver()).status).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(2), 10_000)
  })

  it('is waited for if it is short', async () => {
    const file = temporaryFile()
    const { deliver } = await receiverOf(file)
    const holder = await holdLock(file)
    const reply = deliver()
    await sleep(200)
    await holder.release()
    expect((await reply).status).toBe(202)
  })
})

describe('a file that is read-only', () => {
  it.skipIf(!canMakeReadOnly())('is answered with 503, and is written once it can be, without a restart', async () => {
    const file = temporaryFile()
    writeFileSync(file, '')
    const allowWriting = makeReadOnly(file)
    const { deliver, errors, handled, inbox, started } = await receiverOf(file)
    await started
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault: 'read_only' })
    expect(await deliver()).toMatchObject(unavailable)
    expect(errors[0]).toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('cannot be written'),
    })
    allowWriting()
    expect((await deliver()).status).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(1), 10_000)
  })

  it('is opened again after SQLite reports the connection as read-only', async () => {
    const { db, deliver, inbox } = await receiverOf(temporaryFile())
    expect((await deliver()).status).toBe(202)
    db().exec('PRAGMA query_only = ON')
    expect(await deliver()).toMatchObject(unavailable)
    expect((await deliver()).status).toBe(202)
    db().exec('PRAGMA query_only = ON')
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault: 'read_only' })
    expect((await deliver()).status).toBe(202)
  })
})

describe('a file that is moved away', () => {
  it('answers 503 instead of storing events where no one finds them, and a new file is started', async () => {
    const file = temporaryFile()
    const { deliver, errors } = await receiverOf(file)
    expect((await deliver()).status).toBe(202)
    for (const suffix of ['', '-wal', '-shm']) renameSync(file + suffix, `${file}.moved${suffix}`)
    expect(await deliver()).toMatchObject(unavailable)
    expect(errors[0]).toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('was moved, deleted or replaced'),
    })
    expect((await deliver()).status).toBe(202)
  })
})

describe('a file that is deleted', () => {
  it('does not pass a check, which would otherwise vouch for a file that no one finds', async () => {
    const file = temporaryFile()
    const { deliver, inbox } = await receiverOf(file)
    expect((await deliver()).status).toBe(202)
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix)
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault: 'moved' })
    await inbox.check()
  })
})

describe('a file that is damaged', () => {
  it('is reported at start, left unchanged, and replaced once it is moved away', async () => {
    const file = temporaryFile()
    writeFileSync(file, 'This is text, not a database. '.repeat(100))
    const { deliver, errors, handled, inbox, started } = await receiverOf(file)
    await expect(started).rejects.toMatchObject({ code: 'store_unavailable', fault: 'corrupt' })
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault: 'corrupt' })
    expect(errors[0]?.message).toMatch(/is damaged or is not an SQLite database\. Nothing was changed\. Restore it/)
    expect(await deliver()).toMatchObject(unavailable)
    renameSync(file, `${file}.damaged`)
    expect((await deliver()).status).toBe(202)
    await vi.waitFor(() => expect(handled).toHaveLength(1), 10_000)
  })
})

describe('a directory that cannot be created', () => {
  it('is reported at start, and the inbox works once it exists', async () => {
    const file = temporaryFile()
    writeFileSync(file, '')
    const { deliver, errors, inbox, started } = await receiverOf(join(file, 'webhooks.db'))
    await started
    await vi.waitFor(() => expect(errors[0]?.message).toContain('cannot be opened'), 10_000)
    await expect(inbox.check()).rejects.toMatchObject({ code: 'store_unavailable', fault: 'cannot_open' })
    expect(await deliver()).toMatchObject(unavailable)
    renameSync(file, `${file}.moved`)
    expect((await deliver()).status).toBe(202)
  })
})

/** @returns a function that makes it writable again. */
function makeReadOnly(file: string): () => void {
  chmodSync(file, 0o400)
  // In many containers tests run as root, which ignores permissions but not this attribute.
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync('chattr', ['+i', file])
  const undo = (): void => {
    if (isRoot) execFileSync('chattr', ['-i', file])
    chmodSync(file, 0o600)
  }
  onTestFinished(undo)
  return undo
}

/** Whether a file can be made read-only here. Root cannot on a file system without attributes. */
function canMakeReadOnly(): boolean {
  if (process.getuid?.() !== 0) return true
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-inbox-'))
  try {
    execFileSync('chattr', ['+i', directory], { stdio: 'ignore' })
    execFileSync('chattr', ['-i', directory])
    return true
  } catch {
    return false
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Another process that holds the write lock of the file until the test releases it. */
async function holdLock(file: string): Promise<{ release(): Promise<void> }> {
  const child = fork(join(import.meta.dirname, 'lock-holder.ts'), [file])
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await once(child, 'message')
  return {
    async release() {
      child.send('release')
      await once(child, 'exit')
    },
  }
}
