import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Inbox, type InboxOptions, memoryInbox, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { afterAll, onTestFinished } from 'vitest'
import { inboxEngines, newPlaceName, openPlace, openServer, serverOf } from '../engines/engine-inboxes.ts'
import { hasEngine } from '../engines/installed-engines.ts'

export interface InboxKind {
  readonly name: string
  /** Its server is not installed. */
  readonly isMissing: boolean
  /** Creates an inbox on an empty place, which is deleted when the test ends. */
  create(options: InboxOptions): Inbox | Promise<Inbox>
}

const opened = new Map<string, ReturnType<typeof openServer>>()

/** Ends the servers of the engines that a test file has used. */
afterAll(async () => {
  for (const server of opened.values()) await (await server).dispose()
})

export const everyInbox: readonly InboxKind[] = [
  { name: 'memory', isMissing: false, create: memoryInbox },
  {
    name: 'SQLite',
    isMissing: false,
    create(options) {
      const folder = mkdtempSync(join(tmpdir(), 'scrapenest-every-inbox-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      return sqliteInbox({ file: join(folder, 'webhooks.db'), ...options })
    },
  },
  ...inboxEngines.map(
    (engine): InboxKind => ({
      name: engine,
      isMissing: !hasEngine(serverOf[engine]),
      async create(options) {
        const server = opened.get(engine) ?? openServer(engine)
        opened.set(engine, server)
        const place = openPlace(engine, { url: (await server).url, name: newPlaceName() })
        onTestFinished(() => place.dispose())
        return place.createInbox(options)
      },
    }),
  ),
]
