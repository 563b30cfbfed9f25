import { type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { memoryInbox, sqliteInbox } from '../src/index.ts'
import { temporaryFile } from './temporary-file.ts'

const targets: readonly InboxTarget[] = [
  { name: 'memory', createPlace: () => ({ open: memoryInbox }) },
  {
    name: 'sqlite',
    createPlace() {
      const file = temporaryFile()
      return { open: (options) => sqliteInbox({ file, ...options }) }
    },
  },
]

describe.each(targets)('an inbox in $name', (target) => {
  it.each(inboxChecks)('$id $name', async ({ run }) => {
    await run(target)
  })
})

describe('the checks', () => {
  it('say what an inbox in memory cannot do', async () => {
    const [memory] = targets as [InboxTarget]
    const results = await Promise.all(inboxChecks.map(async ({ id, run }) => [id, await run(memory)] as const))
    const others = results.filter(([, { cell }]) => cell !== 'pass')

    expect(Object.fromEntries(others)).toEqual({
      I33: { cell: 'not applicable', missing: ['isDurable'] },
      I34: { cell: 'not applicable', missing: ['isShared'] },
    })
  })

  it('have stable ids and rules', () => {
    expect(inboxChecks.map(({ id, name }) => `${id} ${name}`)).toMatchSnapshot()
  })
})
