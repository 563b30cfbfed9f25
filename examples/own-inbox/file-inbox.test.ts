import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { fileInbox } from './file-inbox.ts'

const target: InboxTarget = {
  name: 'a file',
  async createStorage() {
    const folder = await mkdtemp(join(tmpdir(), 'inbox-'))
    return {
      open: (options) => fileInbox({ path: join(folder, 'events.jsonl'), ...options }),
      dispose: () => rm(folder, { recursive: true }),
    }
  },
}

describe('an inbox in a file', { concurrency: true }, () => {
  for (const check of inboxChecks) {
    test(`${check.id} ${check.name}`, async (context) => {
      const { cell, missing } = await check.run(target)
      if (cell === 'not applicable') context.skip(missing.join(', '))
    })
  }
})
