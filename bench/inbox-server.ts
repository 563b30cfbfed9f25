// The Fastify server of one contender in the inbox bench: `node inbox-server.ts <contender> <file>`. Exits with its parent.
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import type { InboxConnection } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import { type Inbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import fastify from 'fastify'
import { announce } from './child-server.ts'

const [contender = '', file = ''] = process.argv.slice(2)

let inbox: Inbox | undefined
let handled = 0

/** The same statements and settings with one transaction per request, as in a store without group commit. */
async function committingEach(): Promise<InboxConnection> {
  // Creates the file with its schema.
  const opened = sqliteInbox({ file })
  await opened.stats()
  await opened.close()
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  const insertEvent = db.prepare(`
    INSERT INTO events (name, event_id, event_type, message_id, secret_index, sent_at_ms, received_at_ms, state, due_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, 'ready', ?) ON CONFLICT DO NOTHING RETURNING id`)
  const insertPayload = db.prepare('INSERT INTO payloads (event, signed_headers, body) VALUES (?, ?, ?)')
  return {
    async put({ name, eventId, eventType, messageId, secretIndex, sentAt, receivedAt, signedHeaders, body }) {
      db.exec('BEGIN IMMEDIATE')
      const times = [sentAt.getTime(), receivedAt.getTime(), Date.now()]
      const inserted = insertEvent.get(name, eventId, eventType, messageId, secretIndex, ...times)
      if (inserted !== undefined) insertPayload.run(inserted['id'] as number, JSON.stringify(signedHeaders), body)
      db.exec('COMMIT')
      return inserted === undefined ? 'duplicate' : 'stored'
    },
    async start() {},
    async close() {},
  }
}

const contenders: Record<string, () => Promise<{ inbox?: InboxConnection; processing?: boolean }>> = {
  none: async () => ({}),
  put: async () => {
    inbox = sqliteInbox({ file })
    return { inbox, processing: false }
  },
  process: async () => {
    inbox = sqliteInbox({ file })
    return { inbox }
  },
  each: async () => ({ inbox: await committingEach(), processing: false }),
}

const app = fastify()
await app.register(scrapenestWebhooks, {
  path: '/hook',
  secret: process.env['BENCH_SECRET'] as string,
  onEvent: {
    'job.completed': () => {
      handled += 1
    },
  },
  ...(await contenders[contender]?.()),
})
await app.listen({ port: 0, host: '127.0.0.1' })

process.on('message', async ({ purgeFinishedBeforeMs }: { readonly purgeFinishedBeforeMs?: number }) => {
  if (purgeFinishedBeforeMs === undefined) return
  const purged = await inbox?.purge({ state: 'done', finishedBefore: new Date(purgeFinishedBeforeMs) })
  process.send?.({ purged, handled })
})
announce((app.server.address() as AddressInfo).port)
