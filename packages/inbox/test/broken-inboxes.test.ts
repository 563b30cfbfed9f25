import { AssertionError } from 'node:assert'
import { type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { brokenInboxes, createModestStorage, intactInboxes } from './broken-inboxes.ts'

describe.concurrent('the checks of an inbox', () => {
  describe.each(brokenInboxes)('fail for one that $that', ({ that, failing, createStorage }) => {
    const target: InboxTarget = { name: that, createStorage: () => ({ open: createStorage() }), timeoutMs: 300 }

    it.each(failing)('%s', async (id) => {
      const check = inboxChecks.find((one) => one.id === id)
      await expect(check?.run(target)).rejects.toSatisfy(
        (error) => error instanceof AssertionError || /^Expected the inbox/.test((error as Error).message),
      )
    })
  })

  it.each(intactInboxes)(
    'pass for one that is wrapped like the broken ones, with nothing broken: $that',
    async ({ that, createStorage }) => {
      const target: InboxTarget = { name: that, createStorage: () => ({ open: createStorage() }) }
      await Promise.all(inboxChecks.map(({ run }) => run(target)))
    },
  )

  it('each fail for at least one broken inbox', () => {
    const failed = new Set(brokenInboxes.flatMap(({ failing }) => failing))

    expect(inboxChecks.map(({ id }) => id).filter((id) => !failed.has(id))).toEqual([])
  })

  it('pass for an inbox that declares its limits, and name what is missing', async () => {
    const modest: InboxTarget = { name: 'modest', createStorage: () => ({ open: createModestStorage() }) }
    const results = await Promise.all(inboxChecks.map(async ({ id, run }) => [id, await run(modest)] as const))
    const exceptions = results.filter(([, { cell }]) => cell !== 'pass')

    expect(exceptions.map(([id, { cell, missing }]) => `${id} ${cell} ${missing.join(', ')}`)).toEqual([
      'I09 pass without attempts: every',
      'I17 not applicable canTakeClock',
      'I18 not applicable canTakeClock',
      'I21 pass without attempts: every',
      'I40 pass without listOrder: stored',
      'I33 not applicable isDurable',
      'I34 not applicable isShared',
    ])
  })

  it('close what they opened and delete the storage, even if they fail', async () => {
    const calls: string[] = []
    const broken: InboxTarget = {
      name: 'broken',
      createStorage: () => ({
        open: (options) => {
          const inbox = createModestStorage()(options)
          const close = async (): Promise<void> => void calls.push('closed')
          return Object.assign(Object.create(inbox), { put: async () => 'lost', close })
        },
        dispose: () => void calls.push('disposed'),
      }),
    }
    await expect(inboxChecks[0]?.run(broken)).rejects.toThrow()

    // Once to abort handlers, and once to wait for them.
    expect(calls).toEqual(['closed', 'closed', 'disposed'])
  })
})
