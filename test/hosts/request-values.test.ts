import type { ReadyReceiver, WebhookRequest } from '@scrapenest-webhooks/core'
import { conformancePath } from '@scrapenest-webhooks/testing'
import { expect, test } from 'vitest'
import { targets } from '../conformance/targets.ts'

// With getters, 2 to 4 KB of each request stayed in memory until the next full garbage collection (`WebhookRequest`).
test.each(targets)('requests consist of values, not getters, on $name', async ({ listen }) => {
  const received: WebhookRequest[] = []
  const receiver: ReadyReceiver = {
    async receive(request) {
      received.push(request)
      return { status: 202, headers: {}, body: '' }
    },
    async start() {},
    async close() {},
  }
  const server = await listen(receiver, 'bare')
  if ('notApplicable' in server) throw new Error(server.notApplicable)
  await fetch(`http://127.0.0.1:${server.port}${conformancePath}`, { method: 'POST', body: '{}' })
  await server.close()

  const [request] = received
  expect(request?.remoteAddress).toBe('127.0.0.1')
  expect(Object.getPrototypeOf(request)).toBe(Object.prototype)
  const getters = Object.entries(Object.getOwnPropertyDescriptors(request)).filter(([, { get }]) => get !== undefined)
  expect(getters).toEqual([])
})
