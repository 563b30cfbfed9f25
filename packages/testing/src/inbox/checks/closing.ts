import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebhookError } from '@scrapenest-webhooks/core'
import { countsOf, type InboxScenario } from '../bed.ts'
import { createInboxConsumer, createInboxEvent } from '../fixtures.ts'

/** What `close` waits for and gives back, and that an inbox can be started again. */
export const closing: readonly InboxScenario[] = [
  {
    id: 'I29',
    name: 'MUST wait for running handlers when it closes, and start no more',
    async play(bed) {
      const inbox = bed.open({ concurrency: 1 })
      const begun: string[] = []
      await inbox.start(
        createInboxConsumer(async (event) => {
          begun.push(event.eventId)
          await sleep(50)
        }),
      )
      await inbox.put(createInboxEvent())
      await inbox.put(createInboxEvent())
      await bed.until(() => begun.length === 1, 'the handler is called')
      await inbox.close({ graceMs: 5000 })
      assert.equal(begun.length, 1)
      assert.deepEqual(await countsOf(inbox), { ready: 1, running: 0, done: 1, dead: 0, unhandled: 0 })
    },
  },
  {
    id: 'I30',
    name: 'MUST abort what is not done when graceMs is over, and give its event back without counting the attempt',
    async play(bed) {
      const inbox = bed.open()
      const event = createInboxEvent()
      let reason: unknown
      await inbox.start(
        createInboxConsumer(async (_, { signal }) => {
          await new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reason = signal.reason
              reject(new WebhookError('handler_failed', undefined, { cause: signal.reason }))
            })
          })
        }),
      )
      await inbox.put(event)
      await bed.untilStats(inbox, { running: 1 })
      await inbox.close({ graceMs: 20 })
      assert.equal((reason as { code?: string } | undefined)?.code, 'receiver_closing')
      const record = await inbox.get(event.eventId)
      assert.deepEqual([record?.state, record?.attempts], ['ready', 0])
    },
  },
  {
    id: 'I31',
    name: 'MUST be closed as often as one likes, and start again',
    async play(bed) {
      const inbox = bed.open()
      await Promise.all([inbox.close(), inbox.close()])
      await inbox.put(createInboxEvent())
      const consumer = createInboxConsumer(() => {})
      await Promise.all([inbox.start(consumer), inbox.start(consumer)])
      await bed.untilStats(inbox, { done: 1 })
      await inbox.close()
      await inbox.start(consumer)
      await inbox.put(createInboxEvent())
      await bed.untilStats(inbox, { done: 2 })
    },
  },
]
