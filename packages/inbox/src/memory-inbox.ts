import { checkKnownOptions } from '@scrapenest-webhooks/core/adapter'
import type { Inbox } from './contract.ts'
import { type InboxOptions, inboxOptions, readInboxOptions } from './options.ts'
import { MemoryStore } from './store/memory-store.ts'
import { StoredInbox } from './store/stored-inbox.ts'

/**
 * An in-memory inbox, for tests and demos only: acknowledged events are lost when the process ends. Otherwise it behaves
 * like `sqliteInbox`.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is malformed or unknown.
 */
export function memoryInbox(options: InboxOptions = {}): Inbox {
  return new StoredInbox(new MemoryStore(), readInboxOptions(checkKnownOptions(options, inboxOptions)))
}
