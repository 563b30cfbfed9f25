import { createReceiver, type Logger } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it } from 'vitest'
import { countingStrays } from '../quiet.ts'

it('a logger or hook whose promise rejects causes no unhandled rejection', async () => {
  const secret = generateSecret()
  const lost = async (): Promise<never> => {
    throw new Error('the log server is unavailable')
  }
  const logger: Logger = { warn: lost, error: lost }
  const { strays } = await countingStrays(async () => {
    const receiver = createReceiver({
      secret,
      logger,
      onDelivery: lost,
      onError: lost,
      onUnknownEvent: lost,
      onEvent: { '*': lost },
    })
    for (const payload of [createEvent('job.created'), { event_type: 'unknown', event_id: '1' }, 'no JSON']) {
      const { body, ...delivery } = signDelivery(payload, { secret })
      await receiver.receive({ ...delivery, body: async () => body })
      await receiver.receive({ ...delivery, headers: {}, body: async () => body })
    }
    await receiver.close()
  })
  expect(strays).toEqual([])
})
