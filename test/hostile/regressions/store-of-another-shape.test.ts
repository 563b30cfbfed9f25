import { createReceiver, type DuplicateStore, type InboxConnection } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { quiet } from '../quiet.ts'
import { resultOf } from '../reply-table.ts'

const secret = generateSecret()
const answers = [undefined, null, true, '', 'inserted', { state: 'stored' }]

async function resultWith(options: { inbox?: InboxConnection; duplicates?: DuplicateStore }): Promise<string> {
  const receiver = createReceiver({ secret, logger: quiet, ...options })
  const { body, ...delivery } = signDelivery(createEvent('job.created'), { secret })
  return resultOf(await receiver.receive({ ...delivery, body: async () => body }))
}

describe('an event is not acknowledged as a duplicate when', () => {
  it.each(answers)('an inbox returns neither "stored" nor "duplicate" from put: %o', async (answer) => {
    const inbox = { put: async () => answer, async start() {}, async close() {} } as unknown as InboxConnection
    expect(await resultWith({ inbox })).toBe('store_unavailable')
  })

  it.each(answers)('a store returns an unknown state from claim: %o', async (answer) => {
    const duplicates = { claim: async () => answer, complete() {}, release() {} } as unknown as DuplicateStore
    expect(await resultWith({ duplicates })).toBe('store_unavailable')
  })
})
