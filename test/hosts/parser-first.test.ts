import { createReceiver } from '@scrapenest-webhooks/core'
import { createEvent, deliver, generateSecret, type SignedDelivery, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it } from 'vitest'
import { targets } from '../conformance/targets.ts'

// Elsewhere, such a request often hangs (octokit/webhooks.js#40 and #1081). One second is far more than a reply takes, and far
// less than any timeout.
const limitMs = 1000

it.each(targets)(
  '$name answers a delivery that a parser has read at once, genuine or forged, and runs no handler',
  async (target) => {
    const secret = generateSecret()
    let handled = 0
    const logger = { warn() {}, error() {} }
    const receiver = createReceiver({
      secret,
      logger,
      onEvent: { '*': () => (handled += 1) },
      onUnknownEvent: () => (handled += 1),
    })
    const server = await target.listen(receiver, 'parser first')
    if ('notApplicable' in server) throw new Error(server.notApplicable)
    const url = `http://127.0.0.1:${server.port}/webhooks/scrapenest`
    const genuine = signDelivery(createEvent('job.completed'), { secret })
    const deliveries: SignedDelivery[] = [
      signDelivery(createEvent('job.completed'), { secret: generateSecret() }),
      { ...genuine, body: Buffer.from(genuine.body.toString().replace('succeeded', 'failed')) },
      genuine,
    ]
    // The first request opens the connection and warms up the code.
    await deliver(url, genuine)
    for (const delivery of deliveries) {
      const startedAtMs = performance.now()
      const { status, reply } = await deliver(url, delivery)
      expect(performance.now() - startedAtMs).toBeLessThan(limitMs)
      expect([status, reply]).toEqual([500, { error: 'raw_body_unavailable' }])
    }
    expect(handled).toBe(0)
    await server.close()
  },
)
