import { existsSync } from 'node:fs'
import type { Inbox } from '@scrapenest-webhooks/inbox'
import { UsageError } from '../usage-error.ts'
import { hideUrl } from './hide-url.ts'
import { type InboxLocation, type LocationOptions, readLocation } from './inbox-location.ts'

/**
 * Opens an inbox for the duration of `work`.
 *
 * @throws {UsageError} if the location is ambiguous or the file is missing. A misspelled path must not create an empty
 * inbox.
 */
export async function withInbox(options: LocationOptions, work: (inbox: Inbox) => Promise<void>): Promise<void> {
  const location = readLocation(options)
  try {
    const inbox = await open(location)
    try {
      await work(inbox)
    } finally {
      await inbox.close()
    }
  } catch (error) {
    throw location.kind === 'sqlite' ? error : hideUrl(error, location.url)
  }
}

async function open(location: InboxLocation): Promise<Inbox> {
  switch (location.kind) {
    case 'sqlite': {
      const { file } = location
      if (!existsSync(file)) throw new UsageError(`The file ${file} does not exist. Pass the inbox file with --file.`)
      const { sqliteInbox } = await import('@scrapenest-webhooks/inbox')
      return sqliteInbox({ file })
    }
    case 'redis': {
      const { url, queuePrefix, prefix } = location
      const { bullmqInbox } = await import('@scrapenest-webhooks/inbox-bullmq').catch(
        suggestInstall('inbox-bullmq', 'bullmq'),
      )
      return bullmqInbox({ connection: url, queuePrefix, prefix })
    }
    case 'postgres': {
      const { url, queuePrefix, schema } = location
      const { pgBossInbox } = await import('@scrapenest-webhooks/inbox-pg-boss').catch(
        suggestInstall('inbox-pg-boss', 'pg-boss'),
      )
      // A misspelled schema must not create an empty inbox.
      return pgBossInbox({ connectionString: url, queuePrefix, schema, createSchema: false })
    }
  }
}

/** The inboxes on Redis and PostgreSQL are optional, because most users need neither. */
function suggestInstall(name: string, engine: string): (error: unknown) => never {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    const packages = `@scrapenest-webhooks/${name} ${engine}`
    throw new Error(`This inbox requires packages that are not installed. Run npm install ${packages}`, {
      cause: error,
    })
  }
}
