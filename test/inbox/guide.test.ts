import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished } from 'vitest'
import { codeBlocksOf } from '../docs/code-blocks.ts'

it('the backup of the guide contains the events of an inbox in use', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'scrapenest-guide-'))
  const inbox = sqliteInbox({ file: join(directory, 'data', 'webhooks.db') })
  onTestFinished(async () => {
    await inbox.close()
    await rm(directory, { recursive: true })
  })
  const event = createInboxEvent()
  await inbox.put(event)

  const blocks = await codeBlocksOf('docs/guides/inbox.md')
  const program = join(directory, 'backup.mts')
  await writeFile(program, blocks.find(({ code }) => code.includes('backup('))?.code ?? '')
  await promisify(execFile)(process.execPath, [program], { cwd: directory })

  const copy = sqliteInbox({ file: join(directory, 'data', 'webhooks-backup.db') })
  onTestFinished(() => copy.close())
  expect(await copy.get(event.eventId)).toMatchObject({ state: 'ready', messageId: event.messageId })
})
