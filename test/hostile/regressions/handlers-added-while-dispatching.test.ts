import { createReceiver, type Receiver } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it } from 'vitest'

it.each(['job.created', 'job.*', '*'] as const)(
  'a handler of %s that adds handlers while it runs does not receive the same event again',
  async (pattern) => {
    const secret = generateSecret()
    const receiver: Receiver = createReceiver({ secret })
    let runs = 0
    function addsItself(): void {
      runs += 1
      if (runs < 1000) receiver.onEvent(pattern, addsItself)
    }
    receiver.onEvent(pattern, addsItself)
    const { body, ...delivery } = signDelivery(createEvent('job.created'), { secret })
    await receiver.receive({ ...delivery, body: async () => body })
    expect(runs).toBe(1)

    const next = signDelivery(createEvent('job.created'), { secret })
    await receiver.receive({ ...next, body: async () => next.body })
    expect(runs).toBe(3)
  },
)
