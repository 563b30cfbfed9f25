import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import * as sqlite from 'node:sqlite'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'

/** What operators, backup jobs and other tools do to a file in use. Run both inside and outside the inbox's process. */
export const disturbances: Readonly<Record<string, (file: string) => Promise<void>>> = {
  async open(file) {
    const db = new sqlite.DatabaseSync(file)
    try {
      db.prepare('SELECT count(*) FROM events').get()
    } finally {
      db.close()
    }
  },

  async secondInbox(file) {
    const inbox = sqliteInbox({ file })
    try {
      await inbox.stats()
      await inbox.list({ limit: 5 })
    } finally {
      await inbox.close()
    }
  },

  async vacuumInto(file) {
    await checkCopy(file, (db, copy) => db.exec(`VACUUM INTO '${copy}'`))
  },

  // Available since Node 22.16.
  ...('backup' in sqlite ? { backup } : {}),
}

async function backup(file: string): Promise<void> {
  // Copies all pages in one step, because a write by another connection between steps restarts the backup.
  await checkCopy(file, (db, copy) => sqlite.backup(db, copy, { rate: 2 ** 31 - 1 }))
}

/** A copy must be intact and contain every event that was in the file when it began. */
async function checkCopy(file: string, copyTo: (db: sqlite.DatabaseSync, copy: string) => unknown): Promise<void> {
  const copy = `${file}.${randomUUID()}`
  const db = new sqlite.DatabaseSync(file)
  try {
    const before = countEvents(db)
    await copyTo(db, copy)
    const copied = new sqlite.DatabaseSync(copy)
    try {
      assert.deepEqual({ ...copied.prepare('PRAGMA quick_check').get() }, { quick_check: 'ok' })
      assert.ok(countEvents(copied) >= before, 'a backup contains every event stored before it')
    } finally {
      copied.close()
    }
  } finally {
    db.close()
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(copy + suffix, { force: true })
  }
}

function countEvents(db: sqlite.DatabaseSync): number {
  return Number(db.prepare('SELECT count(*) AS events FROM events').get()?.['events'])
}

/** Whether SQLite refused because another connection holds the file: permanently below 3.51.3, briefly otherwise. */
export function isRefusal(error: unknown): boolean {
  const { errcode, code } = (error ?? {}) as { readonly errcode?: number; readonly code?: string }
  return errcode === 5 || code === 'store_unavailable' || code === 'configuration_invalid'
}
