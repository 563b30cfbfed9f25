import { resolve } from 'node:path'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { Inbox } from './contract.ts'
import { type InboxOptions, inboxOptions, readInboxOptions } from './options.ts'
import { SqliteStore } from './sqlite/store.ts'
import { StoredInbox } from './store/stored-inbox.ts'

export interface SqliteInboxOptions extends InboxOptions {
  /**
   * Path of the file, on a local disk (never NFS). Created with its directory if missing, readable by its owner only. While
   * it is open, SQLite keeps two more files alongside: `-wal` and `-shm`. They are part of the database.
   */
  readonly file: string
}

/**
 * An inbox in one SQLite file: durable on this machine, without a server or a dependency. An event is on the disk (WAL,
 * `synchronous=FULL`) before its delivery is acknowledged.
 *
 * Several processes may share the file with the SQLite of Node 22.23, 24.21 or later. With an older one, the first process
 * opens it exclusively, and in a second process `start` rejects with a `ConfigurationError`.
 *
 * The file is opened when first needed.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const receiver = createReceiver({ secret, inbox: sqliteInbox({ file: './data/webhooks.db' }), onEvent })
 */
export function sqliteInbox(options: SqliteInboxOptions): Inbox {
  const file = options?.file
  if (typeof file !== 'string' || file === '' || file === ':memory:') {
    throw new ConfigurationError(
      "Expected file to be a path, for example sqliteInbox({ file: './data/webhooks.db' }). For tests there is memoryInbox().",
    )
  }
  // SQLite would take them for the names of files in the working directory.
  if (/^(file|sqlite):|^~\//.test(file)) {
    throw new ConfigurationError(
      `Expected file to be a plain path, got ${JSON.stringify(file.replace(/^([^/]*\/\/).*@/, '$1…@'))}. URLs and "~" are not expanded.`,
    )
  }
  checkKnownOptions(options, { ...inboxOptions, file: true })
  // Resolved here: a later change of the working directory must not create a second file.
  return new StoredInbox(new SqliteStore({ file: resolve(file) }), readInboxOptions(options))
}
