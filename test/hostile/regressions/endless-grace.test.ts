import { createReceiver } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it } from 'vitest'
import { deferred } from '../deferred.ts'

it.each([Number.POSITIVE_INFINITY, 2 ** 31])(
  'close waits for the handlers when the grace period exceeds the limit of timers: %d',
  async (graceMs) => {
    const secret = generateSecret()
    const begun = deferred()
    let wasAborted: boolean | undefined
    const receiver = createReceiver({
      secret,
      onEvent: {
        '*': async (_event, { signal }) => {
          begun.resolve()
          await new Promise((resolve) => setTimeout(resolve, 50))
          wasAborted = signal.aborted
        },
      },
    })
    const { body, ...delivery } = signDelivery(createEvent('job.created'), { secret })
    const reply = receiver.receive({ ...delivery, body: async () => body })
    await begun.promise
    await receiver.close({ graceMs })
    expect(wasAborted).toBe(false)
    expect((await reply).status).toBe(202)
  },
)
