import { existsSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '../errors.ts'
import { inboxFault, isFileFault, isFull, isLocked, toInboxError } from './errors.ts'
import {
  ensurePrivateFile,
  identityOf,
  isAsOpened,
  isEmpty,
  isMountedAlone,
  type OpenedFile,
  openedFile,
  targetOf,
} from './file-access.ts'
import { checkOwnership, migrate, rollBack } from './schema.ts'

export interface SqliteFileOptions<Statements> {
  readonly file: string
  /** Prepares the statements that `use` and `transact` receive. Called for each new connection. */
  readonly prepare: (db: DatabaseSync) => Statements
  /** The version of SQLite. Default: as reported by the library. */
  readonly sqliteVersion?: (() => string) | undefined
  /**
   * Called with each new connection once it is ready. Tests use it to inspect the connection and limit the database's size.
   */
  readonly onOpen?: ((db: DatabaseSync) => void) | undefined
}

interface Connection<Statements> {
  readonly db: DatabaseSync
  readonly boundaries: Boundaries
  readonly statements: Statements
  readonly file: OpenedFile
  /** The `-wal` file. */
  readonly log: OpenedFile
  /** The `-shm` file. Missing if the database was opened exclusively. */
  readonly index: OpenedFile
}

/** The beginning and end of a transaction. Prepared, because each transaction would parse them again. */
type Boundaries = Readonly<Record<'beginRead' | 'beginWrite' | 'commit', StatementSync>>

/** How often an idle connection checks that its files still exist, in milliseconds. */
const checkIntervalMs = 1000

/**
 * How long SQLite may block this thread while another process holds the lock, in milliseconds: longer than most transactions
 * take, and too short to notice.
 */
const busyTimeoutMs = 3

/** The number of connections that this process has to each file, by identity. For an error message. */
const openHere = new Map<string, number>()

/**
 * One connection to a file, opened on first use. After an error that a new connection might not have, it is closed, and the
 * next use opens the file again. That way, no restart is needed once an unavailable file is available again.
 *
 * A deleted file can still be written to, but its contents are lost when the process ends. So each use, and a timer, checks
 * that the database and its log are still at their paths:
 * - The database was moved, deleted or replaced: the next use fails with `moved`. The one after that opens whatever is at
 *   the path.
 * - The log was deleted: its events are saved to the database, and the next use fails with `log_deleted`.
 *
 * All methods are synchronous. They throw an `InboxUnavailableError`, a `ConfigurationError`, or whatever `work` throws.
 */
export class SqliteFile<Statements> {
  readonly #options: SqliteFileOptions<Statements>
  #connection: Connection<Statements> | undefined
  #checkTimer: NodeJS.Timeout | undefined
  /** Found by the timer, and thrown by the next use. */
  #fault: Error | undefined
  /** When the log was last emptied because the disk was full, by `performance.now()`. */
  #emptiedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: SqliteFileOptions<Statements>) {
    this.#options = options
  }

  /** Runs statements that cannot run in a transaction. They may see different states. */
  use<Result>(work: (statements: Statements) => Result): Result {
    return this.#attempt(() => work(this.#usable().statements))
  }

  /** Runs read-only statements, which all see the same state. Takes no lock. */
  read<Result>(work: (statements: Statements) => Result): Result {
    return this.#inTransaction('beginRead', work)
  }

  /** Runs the work in one transaction: either all of it is committed and on disk, or none of it. */
  transact<Result>(work: (statements: Statements) => Result): Result {
    return this.#inTransaction('beginWrite', work)
  }

  #inTransaction<Result>(begin: 'beginRead' | 'beginWrite', work: (statements: Statements) => Result): Result {
    return this.#attempt(() => {
      const { db, boundaries, statements } = this.#usable()
      boundaries[begin].run()
      try {
        const result = work(statements)
        boundaries.commit.run()
        return result
      } catch (error) {
        rollBack(db)
        throw error
      }
    })
  }

  /** Problems that an operator should fix even though the file is usable. */
  problems(): readonly Error[] {
    const { file } = this.#options
    if (this.#connection === undefined || !isMountedAlone(file)) return []
    return [
      new ConfigurationError(
        `The inbox file ${file} is mounted without its directory, so its -wal file, and acknowledged events in it, are lost with the container. Mount the directory instead.`,
      ),
    ]
  }

  close(): void {
    clearInterval(this.#checkTimer)
    const connection = this.#connection
    this.#connection = undefined
    if (connection === undefined) return
    forget(connection.file.identity)
    connection.db.close()
  }

  #attempt<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  #usable(): Connection<Statements> {
    const fault = this.#fault
    this.#fault = undefined
    if (fault !== undefined) throw fault
    const connection = this.#connection ?? this.#open()
    this.#checkFiles(connection)
    return connection
  }

  /**
   * Only checks that the log exists. Reading its times would slow down the next commit: since 6.13, Linux gives a file new
   * times at the next write after they were read (multigrain timestamps). The timer compares the log too.
   */
  #checkFiles(connection: Connection<Statements>): void {
    const { file, log, index } = connection
    if (!isAsOpened(file)) throw inboxFault('moved', file.path)
    if (!existsSync(log.path) || !isAsOpened(index)) this.#saveLog(connection)
  }

  /** The open connection can still read a deleted log and copy it into the database. */
  #saveLog({ db }: Connection<Statements>): never {
    const { file } = this.#options
    const saved = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { readonly busy: number }
    if (saved.busy !== 0) throw inboxFault('locked', file)
    throw inboxFault('log_deleted', file)
  }

  #open(): Connection<Statements> {
    const { file, prepare, onOpen } = this.#options
    const db = this.#openDatabase()
    try {
      this.#configure(db)
      migrate(db, file)
      onOpen?.(db)
      const statements = prepare(db)
      const path = targetOf(file)
      const log = openedFile(`${path}-wal`)
      const index = openedFile(`${path}-shm`)
      const boundaries = prepareBoundaries(db)
      const connection = { db, boundaries, statements, file: openedFile(file), log, index }
      remember(connection.file.identity)
      this.#connection = connection
      this.#checkTimer = setInterval(() => this.#checkIdle(), checkIntervalMs).unref()
      return connection
    } catch (error) {
      db.close()
      // Any failure here is the file's fault, such as a missing table or an unexpected schema.
      throw toInboxError(error, file)
    }
  }

  #openDatabase(): DatabaseSync {
    const { file } = this.#options
    const { DatabaseSync } = loadSqlite()
    try {
      ensurePrivateFile(file)
      return new DatabaseSync(file)
    } catch (error) {
      // No statement has run yet, so any error is the file's fault.
      throw toInboxError(error, file)
    }
  }

  #configure(db: DatabaseSync): void {
    const { file } = this.#options
    db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    // Allows pages freed by a purge to be returned to the file system. Can only be set before the first table is created.
    if (isEmpty(file)) db.exec('PRAGMA auto_vacuum = INCREMENTAL')
    const version = (this.#options.sqliteVersion ?? (() => versionOf(db)))()
    if (!canBeShared(version)) openExclusively(db, file, version)
    checkOwnership(db, file)
    const mode = Object.values(db.prepare('PRAGMA journal_mode = WAL').get() ?? {})[0]
    if (mode !== 'wal') {
      throw new ConfigurationError(
        `The inbox file ${file} cannot use a write-ahead log (journal mode ${mode}). Put it on a local disk.`,
      )
    }
    // A commit returns once it is on disk. On macOS, fsync alone leaves it in the drive's cache.
    // Lets the log grow to 16 MiB instead of 4, so that a page that changes several times is copied to the file once (decision
    // 0008).
    db.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000')
    if (process.platform === 'darwin') db.exec('PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON')
  }

  #checkIdle(): void {
    if (this.#connection === undefined) return
    try {
      this.#checkFiles(this.#connection)
      if (!isAsOpened(this.#connection.log)) this.#saveLog(this.#connection)
    } catch (error) {
      this.#fault = this.#failed(error)
    }
  }

  #failed(error: unknown): Error {
    if (!isFileFault(error)) return error as Error
    const failure = toInboxError(error, this.#options.file)
    // A full disk or a lock leaves the connection intact. Other faults may come from the connection itself: one opened while
    // the file was read-only stays read-only.
    if (isFull(failure)) this.#emptyLog()
    const isPassing = isFull(failure) || isLocked(failure)
    if (failure instanceof InboxUnavailableError && !isPassing) this.#giveUp()
    return failure
  }

  /** Frees space on a full disk: copying the log into the file may take less space than truncating the log frees. */
  #emptyLog(): void {
    const nowMs = performance.now()
    if (nowMs - this.#emptiedAtMs < checkIntervalMs) return
    this.#emptiedAtMs = nowMs
    try {
      this.#connection?.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // Still full. The events stay in the log.
    }
  }

  #giveUp(): void {
    try {
      this.close()
    } catch {}
  }
}

function loadSqlite(): typeof import('node:sqlite') {
  // Not imported, so this package loads, and its memory store works, without node:sqlite.
  const sqlite = process.getBuiltinModule?.('node:sqlite')
  if (sqlite === undefined) {
    throw new ConfigurationError(
      `sqliteInbox needs node:sqlite, available since Node 22.13. This is ${process.version}.`,
    )
  }
  return sqlite
}

function prepareBoundaries(db: DatabaseSync): Boundaries {
  return {
    beginRead: db.prepare('BEGIN'),
    beginWrite: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
  }
}

function versionOf(db: DatabaseSync): string {
  return String(Object.values(db.prepare('SELECT sqlite_version()').get() ?? {})[0])
}

/** Before 3.51.3, several connections could corrupt a file (the WAL-reset bug, https://sqlite.org/wal.html). */
export function canBeShared(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return major > 3 || (major === 3 && (minor > 51 || (minor === 51 && patch >= 3)))
}

function openExclusively(db: DatabaseSync, file: string, version: string): void {
  try {
    // The order matters: only if the mode is set before the log is first read does that read take the lock and keep it.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT')
  } catch (error) {
    if (!isLocked(toInboxError(error, file))) throw error
    const where = openHere.has(identityOf(file) ?? '') ? 'this process' : 'another process'
    throw new ConfigurationError(
      `The inbox file ${file} is already open in ${where}. This Node has SQLite ${version}, which can corrupt a file that has ` +
        `several connections. ${where === 'this process' ? 'Reuse the existing inbox, or use' : 'Open it in one process only, or use'} Node 22.23, 24.21 or later everywhere.`,
      { cause: error },
    )
  }
}

function remember(identity: string | undefined): void {
  if (identity !== undefined) openHere.set(identity, (openHere.get(identity) ?? 0) + 1)
}

function forget(identity: string | undefined): void {
  if (identity === undefined) return
  const others = (openHere.get(identity) ?? 1) - 1
  if (others > 0) openHere.set(identity, others)
  else openHere.delete(identity)
}
