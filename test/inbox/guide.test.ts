import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createInboxEvent, generateSecret } from '@scrapenest-webhooks/testing'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { codeBlocksOf } from '../docs/code-blocks.ts'

const run = promisify(execFile)

describe('the guide to the inbox', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'scrapenest-guide-'))
    await symlink(join(import.meta.dirname, '../node_modules'), join(directory, 'node_modules'))
    return async () => await rm(directory, { recursive: true })
  })

  /** Writes the only program of the guide that contains this. */
  async function writeProgram(mark: string, name: string): Promise<void> {
    const blocks = (await codeBlocksOf('docs/guides/inbox.md')).filter(({ code }) => code.includes(mark))
    expect(blocks).toHaveLength(1)
    await writeFile(join(directory, name), blocks[0]?.code ?? '')
  }

  it('backs up the events of an inbox in use', async () => {
    const inbox = sqliteInbox({ file: join(directory, 'data', 'webhooks.db') })
    onTestFinished(() => inbox.close())
    const event = createInboxEvent()
    await inbox.put(event)

    await writeProgram('backup(', 'backup.mts')
    await run(process.execPath, ['backup.mts'], { cwd: directory })

    const copy = sqliteInbox({ file: join(directory, 'data', 'webhooks-backup.db') })
    onTestFinished(() => copy.close())
    expect(await copy.get(event.eventId)).toMatchObject({ state: 'ready', messageId: event.messageId })
  })

  it('keeps one receiver while its module is loaded again', async () => {
    await writeProgram('globalThis', 'receiver.mts')
    await writeFile(
      join(directory, 'reload.mts'),
      `const [first, second] = [await import('./receiver.mts?1'), await import('./receiver.mts?2')]
       console.log(first !== second, first.receiver === second.receiver)
       await first.receiver.close()`,
    )
    const env = { ...process.env, SCRAPENEST_WEBHOOK_SECRET: generateSecret() }
    const { stdout } = await run(process.execPath, ['reload.mts'], { cwd: directory, env })

    expect(stdout).toBe('true true\n')
  })

  it.each([
    ['its directory', 'data', /^stored 1\n$/],
    ['its file alone', 'data/webhooks.db', /^cannot_open\n$/],
  ])('needs, under --permission, more than its file: %s is allowed', async (_what, allowed, printed) => {
    await mkdir(join(directory, 'data'))
    await writeFile(
      join(directory, 'store.mts'),
      `import { sqliteInbox } from '@scrapenest-webhooks/inbox'
       import { createInboxEvent } from '@scrapenest-webhooks/testing'
       const inbox = sqliteInbox({ file: './data/webhooks.db' })
       try {
         await inbox.put(createInboxEvent())
         console.log('stored', (await inbox.stats()).ready)
       } catch (error) {
         console.log(error.fault)
       }
       await inbox.close()`,
    )
    const permissions = ['--permission', '--allow-fs-read=*', `--allow-fs-write=${join(directory, allowed)}`]
    const { stdout } = await run(process.execPath, [...permissions, 'store.mts'], { cwd: directory })

    expect(stdout).toMatch(printed)
  })
})
