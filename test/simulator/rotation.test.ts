import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ScrapeNestClient } from '@scrapenest-webhooks/client'
import { rotatingSecret } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks } from '@scrapenest-webhooks/node'
import { startSimulator } from '@scrapenest-webhooks/simulator'
import { createEvent } from '@scrapenest-webhooks/testing'
import { expect, it } from 'vitest'

/** Rotates the secret while deliveries arrive. The store receives the new secret later. */
async function rotateUnderLoad({ rotationOverlapMs }: { readonly rotationOverlapMs: number }) {
  const simulator = await startSimulator({ rotationOverlapMs, retryDelaysMs: [300, 600, 1_200, 2_400, 5_000] })
  const client = new ScrapeNestClient({ apiKey: simulator.apiKey, baseUrl: simulator.url })
  const store = { secret: '', loads: 0 }
  const handled = new Map<string, number>()
  const handler = scrapenestWebhooks({
    ...rotatingSecret({
      load: async () => {
        store.loads += 1
        await sleep(5)
        return store.secret
      },
      minIntervalMs: 100,
    }),
    logger: { warn() {}, error() {} },
    onEvent: { '*': ({ event_id }) => void handled.set(event_id, (handled.get(event_id) ?? 0) + 1) },
  })
  const server = createServer(handler)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const { endpoint_id, secret } = await client.webhookEndpoints.create({ url })
    store.secret = secret
    const sendFor = async (batches: number): Promise<void> => {
      for (let batch = 0; batch < batches; batch += 1) {
        for (let count = 0; count < 10; count += 1) simulator.send({ ...createEvent('job.completed') })
        await sleep(20)
      }
    }
    await sendFor(20)
    const meanwhile = sendFor(5)
    const rotated = await client.webhookEndpoints.rotateSecret(endpoint_id)
    await meanwhile
    await sendFor(15)
    store.secret = rotated.secret
    await sendFor(30)
    await simulator.idle()
    const { messages } = simulator
    return {
      sent: messages.length,
      lost: messages.filter(({ status }) => status !== 'succeeded').length,
      refused: messages.flatMap(({ attempts }) => attempts).filter(({ statusCode }) => statusCode !== 202).length,
      handledOnce: [...handled.values()].filter((count) => count === 1).length,
      loads: store.loads,
    }
  } finally {
    await simulator.close()
    await handler.receiver.close()
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
}

it('rejects no delivery while the sender signs with both secrets', async () => {
  const outcome = await rotateUnderLoad({ rotationOverlapMs: 60_000 })
  expect(outcome).toMatchObject({ sent: 700, refused: 0, lost: 0, handledOnce: 700 })
})

it('loses no delivery when the old secret is revoked immediately, and respects the query limit of the store', async () => {
  const outcome = await rotateUnderLoad({ rotationOverlapMs: 0 })
  expect(outcome).toMatchObject({ sent: 700, lost: 0, handledOnce: 700 })
  // Deliveries between the rotation and the update of the store are rejected, which proves that the secrets did not overlap.
  expect(outcome.refused).toBeGreaterThan(20)
  expect(outcome.loads).toBeGreaterThan(1)
  expect(outcome.loads).toBeLessThan(40)
})
