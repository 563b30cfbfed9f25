import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { memoryInbox, sqliteInbox } from '../src/index.ts'

const targets: readonly InboxTarget[] = [
  { name: 'memory', createStorage: () => ({ open: memoryInbox }) },
  {
    name: 'sqlite',
    // All checks share one disk and one thread.
    timeoutMs: 15_000,
    createStorage() {
      const folder = mkdtempSync(join(tmpdir(), 'scrapenest-inbox-'))
      return {
        open: (options) => sqliteInbox({ file: join(folder, 'webhooks.db'), ...options }),
        dispose: () => rmSync(folder, { recursive: true }),
      }
    },
  },
]

/** The result of each check per engine, with the reason unless it passed. */
const cells = new Map<string, string>()

describe.concurrent.each(targets)('an inbox in $name', (target) => {
  it.each(inboxChecks)('$id $name', async ({ id, run }) => {
    const { cell, missing } = await run(target)
    cells.set(`${target.name} ${id}`, [cell, ...missing].join(', '))
  })
})

describe('the checks', () => {
  it.each(targets)('require everything of an inbox in $name, except for what it declares', ({ name }) => {
    const exceptions = inboxChecks
      .map(({ id }) => [id, cells.get(`${name} ${id}`)] as const)
      .filter(([, cell]) => cell !== 'pass')

    expect(Object.fromEntries(exceptions)).toMatchSnapshot()
  })

  it('have stable ids and rules', () => {
    expect(inboxChecks.map(({ id, name }) => `${id} ${name}`)).toMatchSnapshot()
  })
})
