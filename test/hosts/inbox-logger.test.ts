import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import { memoryInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, generateSecret, signDelivery, untilInboxStats } from '@scrapenest-webhooks/testing'
import Fastify from 'fastify'
import { expect, it } from 'vitest'

it("Fastify's logger receives the errors of an inbox's handlers, which run outside any request", async () => {
  const written: string[] = []
  const stream = { write: (line: string) => void written.push(line) }
  const secret = generateSecret()
  const app = Fastify({ logger: { level: 'error', stream } })
  const fail = (): void => {
    throw new Error('handler')
  }
  const inbox = memoryInbox({ maxAttempts: 1 })
  await app.register(scrapenestWebhooks, { path: '/hooks', secret, inbox, onEvent: { 'job.created': fail } })
  const { headers, body } = signDelivery(createEvent('job.created'), { secret })
  expect((await app.inject({ method: 'POST', url: '/hooks', headers, payload: body })).statusCode).toBe(202)
  await untilInboxStats(inbox, { dead: 1 })
  await app.close()
  expect(written.map((line) => JSON.parse(line).code)).toEqual(['handler_failed', 'event_dead'])
})
