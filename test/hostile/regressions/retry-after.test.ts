import { createReceiver, RetryLaterError } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { quiet } from '../quiet.ts'

async function retryAfterOf(thrown: unknown): Promise<[status: number, retryAfter: string | undefined]> {
  const secret = generateSecret()
  const receiver = createReceiver({
    secret,
    logger: quiet,
    onEvent: {
      '*': () => {
        throw thrown
      },
    },
  })
  const { body, ...delivery } = signDelivery(createEvent('job.created'), { secret })
  const { status, headers } = await receiver.receive({ ...delivery, body: async () => body })
  return [status, headers['retry-after']]
}

describe('Retry-After', () => {
  it.each([1e21, 1e300, Number.MAX_VALUE, 2 ** 53])(
    'is no number with an exponent and none that no timer holds: %d seconds',
    async (retryAfterSeconds) => {
      expect(await retryAfterOf(new RetryLaterError('later', { retryAfterSeconds }))).toEqual([503, '2147483647'])
    },
  )

  it.each(['1\r\nx-injected: 1', Number.NaN, undefined, {}, Symbol('soon'), -1, 0.5])(
    'of an error made by hand cannot break or extend the reply: %o',
    async (retryAfterSeconds) => {
      const madeByHand = { library: 'scrapenest-webhooks', code: 'retry_later', retryAfterSeconds }
      const seconds = typeof retryAfterSeconds === 'number' && retryAfterSeconds < 1 ? '1' : '30'
      expect(await retryAfterOf(madeByHand)).toEqual([503, seconds])
    },
  )

  it('is the default where the number cannot be read', async () => {
    const unreadable = {
      library: 'scrapenest-webhooks',
      code: 'retry_later',
      get retryAfterSeconds(): never {
        throw new Error('no')
      },
    }
    expect(await retryAfterOf(unreadable)).toEqual([503, '30'])
  })
})
