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
    'is a whole number without an exponent, within the limit of timers: %d seconds',
    async (retryAfterSeconds) => {
      expect(await retryAfterOf(new RetryLaterError('later', { retryAfterSeconds }))).toEqual([503, '2147483647'])
    },
  )

  it('comes from an error of another installed copy of the library', async () => {
    const ofAnotherCopy = { library: 'scrapenest-webhooks', code: 'retry_later', retryAfterSeconds: 120 }
    expect(await retryAfterOf(ofAnotherCopy)).toEqual([503, '120'])
  })

  it.each(['1\r\nx-injected: 1', Number.NaN, undefined, {}, Symbol('soon'), -1, 0.5, 2 ** 31])(
    'is absent when a handmade error has an invalid delay, which counts as a failed handler: %o',
    async (retryAfterSeconds) => {
      const madeByHand = { library: 'scrapenest-webhooks', code: 'retry_later', retryAfterSeconds }
      expect(await retryAfterOf(madeByHand)).toEqual([500, undefined])
    },
  )

  it('is absent when the delay of an error cannot be read', async () => {
    const unreadable = {
      library: 'scrapenest-webhooks',
      code: 'retry_later',
      get retryAfterSeconds(): never {
        throw new Error('no')
      },
    }
    expect(await retryAfterOf(unreadable)).toEqual([500, undefined])
  })
})
