import { existsSync } from 'node:fs'
import type { Inbox } from '@scrapenest-webhooks/inbox'
import { UsageError } from '../usage-error.ts'

/**
 * Opens an SQLite inbox for the duration of `work`.
 *
 * @throws {UsageError} the file does not exist: a misspelled path must not create an empty inbox.
 */
export async function withInbox(file: string, work: (inbox: Inbox) => Promise<void>): Promise<void> {
  if (!existsSync(file)) throw new UsageError(`There is no file ${file}. Pass the inbox with --file.`)
  const { sqliteInbox } = await import('@scrapenest-webhooks/inbox')
  const inbox = sqliteInbox({ file })
  try {
    await work(inbox)
  } finally {
    await inbox.close()
  }
}
