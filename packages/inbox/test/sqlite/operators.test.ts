import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Inbox, sqliteInbox } from '../../src/index.ts'
import { isMountedAlone } from '../../src/sqlite/file-access.ts'
import { temporaryFile } from '../temporary-file.ts'
import { readElsewhere } from './other-process.ts'

// What an operator, a backup job or a second tool does to the files while they are open.

function openInbox(file: string): Inbox {
  const inbox = sqliteInbox({ file })
  onTestFinished(() => inbox.close())
  return inbox
}

/** The number of events that a process would find after this one was killed: in the database file and its log. */
function eventsAfterKill(file: string): number {
  const copy = temporaryFile()
  copyFileSync(file, copy)
  try {
    copyFileSync(`${file}-wal`, `${copy}-wal`)
  } catch {
    // There is no log.
  }
  const db = new DatabaseSync(copy)
  try {
    return db.prepare('SELECT count(*) AS events FROM events').get()?.['events'] as number
  } finally {
    db.close()
  }
}

describe('a file that this process opens a second time', () => {
  it('keeps its locks when the second inbox closes, so that no other process deletes its log', async () => {
    const file = temporaryFile()
    const inbox = openInbox(file)
    await inbox.put(createInboxEvent())
    const locks = locksOn(file)
    const second = sqliteInbox({ file })
    expect(await second.stats()).toMatchObject({ ready: 1 })
    await second.close()
    expect(locksOn(file)).toEqual(locks)

    const log = statSync(`${file}-wal`).ino
    expect(readElsewhere(file)).toBe(1)
    expect(statSync(`${file}-wal`).ino).toBe(log)
    await inbox.put(createInboxEvent())
    expect(eventsAfterKill(file)).toBe(2)
  })
})

describe('a log that is deleted', () => {
  it.each([['-wal'], ['-shm'], ['-wal', '-shm']])('is saved to the file and reported once: %s', async (...suffixes) => {
    const file = temporaryFile()
    const inbox = openInbox(file)
    for (let count = 0; count < 5; count += 1) await inbox.put(createInboxEvent())
    for (const suffix of suffixes) rmSync(file + suffix)
    await expect(inbox.put(createInboxEvent())).rejects.toMatchObject({
      fault: 'log_deleted',
      code: 'store_unavailable',
    })
    expect(eventsAfterKill(file)).toBe(5)
    expect(await inbox.put(createInboxEvent())).toBe('stored')
    expect(eventsAfterKill(file)).toBe(6)
  })

  it('is saved too if the inbox opened the file through a symbolic link', async () => {
    const target = temporaryFile()
    const link = temporaryFile()
    symlinkSync(target, link)
    const inbox = openInbox(link)
    await inbox.put(createInboxEvent())
    rmSync(`${target}-wal`)
    await expect(inbox.put(createInboxEvent())).rejects.toMatchObject({ fault: 'log_deleted' })
    expect(eventsAfterKill(target)).toBe(1)
  })

  it('is saved within seconds if another file has taken its place', async () => {
    const file = temporaryFile()
    const inbox = openInbox(file)
    await inbox.put(createInboxEvent())
    rmSync(`${file}-wal`)
    writeFileSync(`${file}-wal`, '')
    await expect.poll(() => eventsAfterKillIfAny(file), { timeout: 5000 }).toBe(1)
    await expect(inbox.put(createInboxEvent())).rejects.toMatchObject({ fault: 'log_deleted' })
    expect(await inbox.put(createInboxEvent())).toBe('stored')
  })

  it('is saved within seconds while no delivery arrives', async () => {
    const file = temporaryFile()
    const inbox = openInbox(file)
    await inbox.put(createInboxEvent())
    rmSync(`${file}-wal`)
    rmSync(`${file}-shm`)
    await expect.poll(() => eventsAfterKillIfAny(file), { timeout: 5000 }).toBe(1)
    await expect(inbox.stats()).rejects.toMatchObject({ fault: 'log_deleted' })
    expect(await inbox.stats()).toMatchObject({ ready: 1 })
  })
})

describe('a file behind a symbolic link', () => {
  it.each([['exists'], ['does not exist yet']])('has private logs next to its target, which %s', async (target) => {
    const { link, file } = linkedFile()
    if (target === 'exists') new DatabaseSync(file).close()
    await openInbox(link).put(createInboxEvent())
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(file + suffix).mode & 0o777).toBe(0o600)
  })

  it('is refused if the link leads to itself', async () => {
    const file = temporaryFile()
    symlinkSync(file, file)
    await expect(openInbox(file).put(createInboxEvent())).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

/** A link to a link to a database file in another directory. */
function linkedFile(): { readonly link: string; readonly file: string } {
  const file = temporaryFile()
  const [link, middle] = [temporaryFile(), temporaryFile()]
  symlinkSync(relative(realpathSync(dirname(middle)), join(realpathSync(dirname(file)), 'webhooks.db')), middle)
  symlinkSync(middle, link)
  return { link, file }
}

describe('a file that is replaced', () => {
  it('is noticed by a process that only reads', async () => {
    const file = temporaryFile()
    const reader = openInbox(file)
    expect(await reader.stats()).toMatchObject({ ready: 0 })
    for (const suffix of ['', '-wal', '-shm']) renameSync(file + suffix, `${file}.old${suffix}`)
    const writer = openInbox(file)
    await writer.put(createInboxEvent())
    await expect(reader.stats()).rejects.toMatchObject({ fault: 'moved' })
    expect(await reader.stats()).toMatchObject({ ready: 1 })
  })
})

describe('the mode of a file', () => {
  it('is restricted to its owner if everyone could read it, before the log is created', async () => {
    const file = temporaryFile()
    new DatabaseSync(file).close()
    chmodSync(file, 0o644)
    await openInbox(file).put(createInboxEvent())
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(file + suffix).mode & 0o777).toBe(0o600)
  })

  it('is kept if the path is that of a directory, passed by mistake', async () => {
    const directory = dirname(temporaryFile())
    chmodSync(directory, 0o755)
    await expect(openInbox(directory).put(createInboxEvent())).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(statSync(directory).mode & 0o777).toBe(0o755)
  })

  it('is kept if a group may use it', async () => {
    const file = temporaryFile()
    new DatabaseSync(file).close()
    chmodSync(file, 0o660)
    await openInbox(file).put(createInboxEvent())
    expect(statSync(file).mode & 0o777).toBe(0o660)
  })

  it('leaves nothing else in the directory', async () => {
    const file = temporaryFile()
    await openInbox(file).put(createInboxEvent())
    expect(readdirSync(dirname(file)).sort()).toEqual(['webhooks.db', 'webhooks.db-shm', 'webhooks.db-wal'])
  })
})

/** The POSIX locks that this process holds on a file, as the kernel lists them. Closing any descriptor drops all of them. */
function locksOn(file: string): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined
  const { ino } = statSync(file)
  const lines = readFileSync('/proc/locks', 'utf8').split('\n')
  const locks = lines.filter((line) => line.includes(` ${process.pid} `) && line.includes(`:${ino} `))
  expect(locks.length).toBeGreaterThan(0)
  return locks.map((line) => line.replace(/^\d+: /, '')).sort()
}

describe('a file that is mounted without its directory', () => {
  it('is not reported for a symbolic link to a file on another device', () => {
    const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'scrapenest-inbox-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const [file, link] = [join(directory, 'webhooks.db'), temporaryFile()]
    new DatabaseSync(file).close()
    symlinkSync(file, link)
    expect(isMountedAlone(link, () => '')).toBe(false)
  })

  it('is recognized among the mounts, even with a space in its path', () => {
    const file = realpathSync(dirname(temporaryFile()))
    const path = `${file}/web hooks.db`
    new DatabaseSync(path).close()
    const line = (mountPoint: string): string =>
      `36 35 98:0 /mnt1 ${mountPoint.replaceAll(' ', '\\040')} rw,noatime master:1 - ext3 /dev/root rw`
    expect(isMountedAlone(path, () => [line('/'), line(path)].join('\n'))).toBe(true)
    expect(isMountedAlone(path, () => [line('/'), line(file)].join('\n'))).toBe(false)
    expect(
      isMountedAlone(path, () => {
        throw new Error('There is no /proc.')
      }),
    ).toBe(false)
  })
})

describe('a file whose tables someone dropped', () => {
  it('is unavailable with a reason, and refused at the next start', async () => {
    const file = temporaryFile()
    const inbox = openInbox(file)
    await inbox.put(createInboxEvent())
    const db = new DatabaseSync(file)
    db.exec('DROP TABLE events')
    db.close()
    const refused = { code: 'store_unavailable', cause: expect.objectContaining({ code: 'configuration_invalid' }) }
    for (const ask of [
      () => inbox.stats(),
      () => inbox.list(),
      () => inbox.get('x'),
      () => inbox.put(createInboxEvent()),
    ]) {
      await expect(ask()).rejects.toMatchObject(refused)
    }
    await inbox.close()
    await expect(openInbox(file).start(createInboxConsumer(() => {}))).rejects.toMatchObject(refused)
  })
})

describe('a row that someone changed', () => {
  it.each([
    ['signed_headers', "'no JSON'"],
    ['signed_headers', "'null'"],
    ['body', 'DELETE'],
  ])('moves to dead letters alone, with a code: %s = %s', async (column, value) => {
    const file = temporaryFile()
    const inbox = openInbox(file)
    const [broken, intact] = [createInboxEvent(), createInboxEvent()]
    await inbox.put(broken)
    await inbox.put(intact)
    const db = new DatabaseSync(file)
    const change = value === 'DELETE' ? 'DELETE FROM payloads' : `UPDATE payloads SET ${column} = ${value}`
    db.exec(`${change} WHERE event = (SELECT min(event) FROM payloads)`)
    db.close()

    const handled: string[] = []
    const reported: unknown[] = []
    const consumer = createInboxConsumer(({ eventId }) => handled.push(eventId))
    await inbox.start({ ...consumer, report: (error) => reported.push(error) })
    await untilInboxStats(inbox, { done: 1, dead: 1 })
    expect(handled).toEqual([intact.eventId])
    expect(reported).toMatchObject([{ name: 'DeadEventError', message: expect.stringContaining('event_unreadable') }])
    const record = await inbox.get(broken.eventId)
    expect(record).toMatchObject({ state: 'dead', history: [{ error: { code: 'event_unreadable' } }] })
    expect((await inbox.list()).events).toHaveLength(2)
  })
})

function eventsAfterKillIfAny(file: string): number | undefined {
  try {
    return eventsAfterKill(file)
  } catch {
    return undefined
  }
}
