import { randomBytes } from 'node:crypto'
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'
import { bullmqInbox } from '@scrapenest-webhooks/inbox-bullmq'
import { pgBossInbox } from '@scrapenest-webhooks/inbox-pg-boss'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { EngineName } from './installed-engines.ts'
import { startPostgres, startRedis } from './servers.ts'

export type InboxEngine = 'bullmq' | 'pg-boss'

export const inboxEngines: readonly InboxEngine[] = ['bullmq', 'pg-boss']

/** The server that an engine needs. */
export const serverOf: { readonly [engine in InboxEngine]: EngineName } = { bullmq: 'redis', 'pg-boss': 'postgres' }

/** Where an engine keeps its events during the tests. */
export interface EnginePlace {
  /** Creates an inbox on this place. All of them share its events. */
  createInbox(options?: InboxOptions): Inbox
  dispose(): Promise<void>
}

/** Opens an engine's server: the one in its environment variable, or a new one. */
export async function openServer(engine: InboxEngine): Promise<{ url: string; dispose(): Promise<void> }> {
  const url = process.env[engine === 'bullmq' ? 'REDIS_URL' : 'DATABASE_URL']
  if (url) return { url, async dispose() {} }
  return engine === 'bullmq' ? await startRedis() : await startPostgres()
}

/** A place on a server: a prefix or a schema. With a new name, it is empty. */
export function openPlace(engine: InboxEngine, options: { url: string; name: string }): EnginePlace {
  const { url, name } = options
  switch (engine) {
    case 'bullmq':
      return {
        createInbox: ({ now: _now, pollIntervalMs: _pollIntervalMs, ...inbox } = {}) =>
          bullmqInbox({ connection: url, prefix: name, ...inbox }),
        dispose: () => deleteKeys(url, name),
      }
    case 'pg-boss':
      return {
        createInbox: (inbox) => pgBossInbox({ connectionString: url, schema: name, ...inbox }),
        dispose: () => dropSchema(url, name),
      }
  }
}

export function newPlaceName(): string {
  return `t${randomBytes(6).toString('hex')}`
}

async function deleteKeys(url: string, prefix: string): Promise<void> {
  const client = new Redis(url)
  for await (const keys of client.scanStream({ match: `${prefix}:*`, count: 1000 })) {
    if (keys.length > 0) await client.unlink(keys)
  }
  await client.quit()
}

async function dropSchema(url: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  } finally {
    await client.end()
  }
}
