import { resolve } from 'node:path'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { Inbox } from './contract.ts'
import { type InboxOptions, inboxOptions, readInboxOptions } from './options.ts'
import { SqliteStore } from './sqlite/store.ts'
import { StoredInbox } from './store/stored-inbox.ts'

export interface SqliteInboxOptions extends InboxOptions {
  /**
   * The file, on a local disk (never NFS), created with its directory where it is missing; readable by this user only.
   * SQLite keeps two more beside it while it is open: `-wal` and `-shm`.
   */
  readonly file: string
}

/**
 * An inbox in one SQLite file: durable on this machine, without a server and without a dependency. A stored event is on
 * the disk (WAL, `synchronous=FULL`) before its delivery is acknowledged.
 *
 * Several processes may share the file, with the SQLite of Node 22.23 or 24.21 and later; with an older one the first
 * process keeps the file to itself, and a second one gets a `ConfigurationError` from `start`.
 *
 * Nothing is opened before it is needed.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const receiver = createReceiver({ secret, inbox: sqliteInbox({ file: './data/webhooks.db' }), onEvent })
 */
export function sqliteInbox(options: SqliteInboxOptions): Inbox {
  if (typeof options?.file !== 'string' || options.file === '' || options.file === ':memory:') {
    throw new ConfigurationError(
      "Expected file to be a path, for example sqliteInbox({ file: './data/webhooks.db' }). For tests there is memoryInbox().",
    )
  }
  checkKnownOptions(options, { ...inboxOptions, file: true })
  // Resolved here: a later change of the working directory must not make a second file.
  return new StoredInbox(new SqliteStore({ file: resolve(options.file) }), readInboxOptions(options))
}
