import { resolve } from 'node:path'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { Inbox } from './contract.ts'
import { type InboxOptions, inboxOptions, readInboxOptions } from './options.ts'
import { SqliteStore } from './sqlite/store.ts'
import { StoredInbox } from './store/stored-inbox.ts'

export interface SqliteInboxOptions extends InboxOptions {
  /**
   * Path of the database file, on a local disk (never NFS). If missing, it is created along with its directory, readable by
   * its owner only. While it is open, SQLite keeps two more files next to it: `-wal` and `-shm`. They are part of the
   * database.
   */
  readonly file: string
}

/**
 * An inbox in one SQLite file: durable on this machine, with no server and no dependencies. Each event is on disk (WAL,
 * `synchronous=FULL`) before its delivery is acknowledged.
 *
 * On Node 22.23, 24.21 or later, several processes can share the file. On older versions, the first process opens it
 * exclusively, and `start` rejects in a second process with a `ConfigurationError`.
 *
 * The file is opened on first use.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const receiver = createReceiver({ secret, inbox: sqliteInbox({ file: './data/webhooks.db' }), onEvent })
 */
export function sqliteInbox(options: SqliteInboxOptions): Inbox {
  const own = checkKnownOptions(options ?? {}, { ...inboxOptions, file: true })
  const { file } = own
  if (typeof file !== 'string' || file === '' || file === ':memory:') {
    throw new ConfigurationError(
      "Expected file to be a path, such as sqliteInbox({ file: './data/webhooks.db' }). For tests, use memoryInbox().",
    )
  }
  // SQLite would treat these as file names in the working directory.
  if (/^(file|sqlite):|^[a-z][a-z0-9+.-]+:\/\/|^~\/|\0/i.test(file)) {
    throw new ConfigurationError(
      `Expected file to be a plain path, got ${JSON.stringify(file.replace(/^([^/]*\/\/).*@/, '$1…@'))}. URLs and "~" are not expanded.`,
    )
  }
  // Resolved now, so a later change of the working directory does not create a second file.
  return new StoredInbox(new SqliteStore({ file: resolve(file) }), readInboxOptions(own))
}
