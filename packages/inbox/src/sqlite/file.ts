import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '../errors.ts'
import { inboxFault, isLocked, toInboxError } from './errors.ts'
import { checkOwnership, migrate, rollBack } from './schema.ts'

export interface SqliteFileOptions<Statements> {
  readonly file: string
  /** Prepares the statements that `use` and `transact` are given; called for each new connection. */
  readonly prepare: (db: DatabaseSync) => Statements
  /** The version of SQLite. Default: what the library says. */
  readonly sqliteVersion?: (() => string) | undefined
  /** Called with each new connection when it is ready: how tests look at it, and make its disk full. */
  readonly onOpen?: ((db: DatabaseSync) => void) | undefined
}

interface Connection<Statements> {
  readonly db: DatabaseSync
  readonly statements: Statements
  /** Tells whether the file at the path is still the one that was opened. */
  readonly inode: number | undefined
}

/**
 * One connection to a file, opened when it is first used. It is given up after an error that a new connection may not
 * have, and opened again at the next use: a file that was out of reach and is there again needs no restart.
 *
 * All methods are synchronous and throw what `toInboxError` gives, or a `ConfigurationError`.
 */
export class SqliteFile<Statements> {
  readonly #options: SqliteFileOptions<Statements>
  #connection: Connection<Statements> | undefined

  constructor(options: SqliteFileOptions<Statements>) {
    this.#options = options
  }

  /** Runs one statement, or several that need not see the same state. */
  use<Result>(work: (statements: Statements) => Result): Result {
    try {
      return work(this.#open().statements)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** Runs the work in one transaction: all of it is committed and on the disk, or none of it is there. */
  transact<Result>(work: (statements: Statements) => Result): Result {
    try {
      const { db, statements, inode } = this.#open()
      // A file that was deleted or replaced can still be written, and everything in it is lost with this process.
      if (inodeOf(this.#options.file) !== inode) throw inboxFault('moved', this.#options.file)
      db.exec('BEGIN IMMEDIATE')
      try {
        const result = work(statements)
        db.exec('COMMIT')
        return result
      } catch (error) {
        rollBack(db)
        throw error
      }
    } catch (error) {
      throw this.#failed(error)
    }
  }

  close(): void {
    const connection = this.#connection
    this.#connection = undefined
    connection?.db.close()
  }

  #open(): Connection<Statements> {
    if (this.#connection !== undefined) return this.#connection
    const { file, prepare, onOpen } = this.#options
    createPrivately(file)
    const { DatabaseSync } = loadSqlite()
    const db = new DatabaseSync(file)
    try {
      this.#configure(db)
      migrate(db, file)
      onOpen?.(db)
      this.#connection = { db, statements: prepare(db), inode: inodeOf(file) }
      return this.#connection
    } catch (error) {
      db.close()
      throw error
    }
  }

  #configure(db: DatabaseSync): void {
    // Longer than most transactions of another process take, shorter than anybody notices: SQLite sleeps in this thread.
    db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    const version = (this.#options.sqliteVersion ?? (() => versionOf(db)))()
    if (!canBeShared(version)) keepToItself(db, this.#options.file, version)
    checkOwnership(db, this.#options.file)
    const mode = Object.values(db.prepare('PRAGMA journal_mode = WAL').get() ?? {})[0]
    if (mode !== 'wal') {
      throw new ConfigurationError(
        `The inbox file ${this.#options.file} cannot use a write-ahead log (journal mode ${mode}). Put it on a local disk.`,
      )
    }
    // A commit returns when it is on the disk. On macOS fsync alone leaves it in the drive's cache.
    // A log of 16 MiB, and not of 4: a page that was changed several times goes to the file once (decision 0008).
    db.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000')
    if (process.platform === 'darwin') db.exec('PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON')
  }

  #failed(error: unknown): unknown {
    const fault = toInboxError(error, this.#options.file)
    // A full disk and a lock leave a connection as good as it was. Others may be the connection's: a file that was opened
    // while it was read-only stays so.
    const isPassing = fault instanceof InboxUnavailableError && (fault.fault === 'full' || isLocked(fault))
    if (fault instanceof InboxUnavailableError && !isPassing) this.#giveUp()
    return fault
  }

  #giveUp(): void {
    try {
      this.close()
    } catch {}
  }
}

const busyTimeoutMs = 15

/** Events hold personal data and credentials: nobody else on the machine reads them. SQLite gives -wal and -shm the same mode. */
function createPrivately(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  closeSync(openSync(file, 'a', 0o600))
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino
}

function loadSqlite(): typeof import('node:sqlite') {
  // Not imported: this package can be loaded, and its memory store used, where node:sqlite is missing.
  const sqlite = process.getBuiltinModule?.('node:sqlite')
  if (sqlite === undefined) {
    throw new ConfigurationError(
      `sqliteInbox needs node:sqlite, which Node has from 22.13 on; this is ${process.version}.`,
    )
  }
  return sqlite
}

function versionOf(db: DatabaseSync): string {
  return String(Object.values(db.prepare('SELECT sqlite_version()').get() ?? {})[0])
}

/** Before 3.51.3, several connections could damage a file (the WAL-reset bug, https://sqlite.org/wal.html). */
export function canBeShared(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return major > 3 || (major === 3 && (minor > 51 || (minor === 51 && patch >= 3)))
}

function keepToItself(db: DatabaseSync, file: string, version: string): void {
  try {
    // In this order: with the mode set before the log is first read, the lock is taken with that read and kept.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT')
  } catch (error) {
    if (!isLocked(toInboxError(error, file))) throw error
    throw new ConfigurationError(
      `The inbox file ${file} is open in another process, and this Node carries SQLite ${version}, which can damage a file ` +
        'that several processes share. Use Node 22.23 or 24.21 or later in all of them, or open the file in one process only.',
      { cause: error },
    )
  }
}
