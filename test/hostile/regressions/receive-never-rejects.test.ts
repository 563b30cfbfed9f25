import { createReceiver, type WebhookRequest } from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { quiet } from '../quiet.ts'
import { outsideTable, resultOf } from '../reply-table.ts'

const secret = generateSecret()

function signedRequest(): WebhookRequest {
  const { body, ...delivery } = signDelivery(createEvent('job.created'), { secret })
  return { ...delivery, body: async () => body }
}

function withThrowingGetter(name: keyof WebhookRequest): WebhookRequest {
  return Object.defineProperty({ ...signedRequest() }, name, {
    get(): never {
      throw new Error(`${name} cannot be read`)
    },
  })
}

/** Looks like one of our errors when first read, and throws when read again. */
function codeThatChanges(): unknown {
  let looks = 0
  return {
    library: 'scrapenest-webhooks',
    get code(): string {
      looks += 1
      if (looks > 1) throw new Error('read twice')
      return 'signature_mismatch'
    },
  }
}

describe('receive resolves with a reply from the table', () => {
  it.each([undefined, null, 7, 'POST', Symbol('request')])('when the request is %o', async (request) => {
    const receiver = createReceiver({ secret, logger: quiet, onDelivery() {} })
    expect(outsideTable(await receiver.receive(request as never))).toBeUndefined()
  })

  it.each(['method', 'headers', 'body', 'remoteAddress', 'logger'] as const)(
    'when a getter throws: %s',
    async (name) => {
      const receiver = createReceiver({ secret, allowedSources: ['127.0.0.1'], onDelivery() {}, logger: quiet })
      expect(outsideTable(await receiver.receive(withThrowingGetter(name)))).toBeUndefined()
    },
  )

  it('when the body rejects with an error whose message throws', async () => {
    const unreadable = Object.defineProperties(
      { library: 'scrapenest-webhooks', code: 'body_aborted' },
      {
        message: {
          get(): never {
            throw new Error('message')
          },
        },
      },
    )
    const receiver = createReceiver({ secret, logger: quiet })
    const reply = await receiver.receive({ ...signedRequest(), body: () => Promise.reject(unreadable) })
    expect(resultOf(reply)).toBe('body_aborted')
  })

  it('when the body rejects with an error whose code can be read only once', async () => {
    const receiver = createReceiver({ secret, logger: quiet, onDelivery() {} })
    const reply = await receiver.receive({ ...signedRequest(), body: () => Promise.reject(codeThatChanges()) })
    expect(outsideTable(reply)).toBeUndefined()
  })

  it('and releases the claim when a handler throws an error whose code can be read only once', async () => {
    let runs = 0
    const receiver = createReceiver({
      secret,
      logger: quiet,
      onEvent: {
        '*': () => {
          runs += 1
          if (runs === 1) throw codeThatChanges()
        },
      },
    })
    const request = signedRequest()
    expect(resultOf(await receiver.receive(request))).toBe('handler_failed')
    expect(resultOf(await receiver.receive(request))).toBe('accepted')
  })

  it('and calls onError when the logger of the request cannot be read', async () => {
    const reported: string[] = []
    const receiver = createReceiver({ secret, logger: quiet, onError: (_error, { code }) => reported.push(code) })
    const request = Object.defineProperty({ ...signedRequest(), body: async () => 'no bytes' as never }, 'logger', {
      get(): never {
        throw new Error('no logger')
      },
    })
    expect(resultOf(await receiver.receive(request))).toBe('raw_body_unavailable')
    expect(reported).toEqual(['raw_body_unavailable'])
  })
})
