import { AssertionError } from 'node:assert'
import { type InboxTarget, inboxChecks } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { brokenInboxes, openModestInbox, wholeInboxes } from './broken-inboxes.ts'

describe('the checks of an inbox', () => {
  describe.each(brokenInboxes)('fail for one that $that', ({ that, failing, open }) => {
    const target: InboxTarget = { name: that, createPlace: () => ({ open }), timeoutMs: 300 }

    it.concurrent.each(failing)('%s', async (id) => {
      const check = inboxChecks.find((one) => one.id === id)
      await expect(check?.run(target)).rejects.toSatisfy(
        (error) => error instanceof AssertionError || /^Expected the inbox/.test((error as Error).message),
      )
    })
  })

  it.each(wholeInboxes)(
    'pass for one that is wrapped as the broken ones are, and breaks nothing: $that',
    async ({ that, open }) => {
      const target: InboxTarget = { name: that, createPlace: () => ({ open }) }
      await Promise.all(inboxChecks.map(({ run }) => run(target)))
    },
  )

  it('have each failed for one of them', () => {
    const failed = new Set(brokenInboxes.flatMap(({ failing }) => failing))

    expect(inboxChecks.map(({ id }) => id).filter((id) => !failed.has(id))).toEqual([])
  })

  it('pass, and name what is missing, for one that does less, says so and refuses the rest', async () => {
    const modest: InboxTarget = { name: 'modest', createPlace: () => ({ open: openModestInbox }) }
    const results = await Promise.all(inboxChecks.map(async ({ id, run }) => [id, await run(modest)] as const))
    const told = results.filter(([, { cell }]) => cell !== 'pass')

    expect(told.map(([id, { cell, missing }]) => `${id} ${cell} ${missing.join(', ')}`)).toEqual([
      'I09 pass without attempts: every',
      'I17 not applicable canTakeClock',
      'I18 not applicable canTakeClock',
      'I20 pass without canDropPayload, replayableStates: done',
      'I21 pass without attempts: every',
      'I22 pass without replayableStates: done',
      'I23 pass without filters: finishedBefore, filters: eventType',
      'I24 pass without canDropPayload',
      'I26 pass without filters: eventType, filters: receivedFrom, filters: receivedBefore',
      'I27 pass without filters: isUnhandled, filters: finishedBefore',
      'I33 not applicable isDurable',
      'I34 not applicable isShared',
      'I35 pass without filters: eventType, filters: isUnhandled, filters: receivedFrom, filters: receivedBefore, filters: finishedBefore',
      'I36 pass without replayableStates: done',
    ])
  })

  it('close what they opened and delete the place, also when they fail', async () => {
    const calls: string[] = []
    const broken: InboxTarget = {
      name: 'broken',
      createPlace: () => ({
        open: (options) => {
          const inbox = openModestInbox(options)
          const close = async (): Promise<void> => void calls.push('closed')
          return Object.assign(Object.create(inbox), { put: async () => 'lost', close })
        },
        dispose: () => void calls.push('disposed'),
      }),
    }
    await expect(inboxChecks[0]?.run(broken)).rejects.toThrow()

    // Once to abort what runs, and once to wait for it.
    expect(calls).toEqual(['closed', 'closed', 'disposed'])
  })
})
