import type { DeliveryReply } from '@scrapenest-webhooks/simulator'
import { expect, it } from 'vitest'
import { nextStep } from '../../src/trigger/next-step.ts'

const url = 'http://localhost:3000/hooks'

it.each<[string, Partial<DeliveryReply>, string]>([
  ['starting the server if none listens', { failure: 'connect ECONNREFUSED' }, `Nothing listens at ${url}. Start`],
  ['checking the path after a 404', { statusCode: 404 }, `There is no webhook handler at ${url}. Check the path`],
  ['reading the log after a 500, for which doctor may find no fault', { statusCode: 500 }, "The server's log shows"],
  ['reading the log after a 503', { statusCode: 503 }, "The server's log shows"],
  ['running doctor after a refusal', { statusCode: 400 }, `run: npx scrapenest-webhooks doctor '${url}'`],
  ['running doctor after a redirect', { statusCode: 302 }, `run: npx scrapenest-webhooks doctor '${url}'`],
  ['running doctor if no reply came', { failure: 'no reply within 10 s' }, `run: npx scrapenest-webhooks doctor`],
])('suggests %s', (_step, reply, saying) => {
  expect(nextStep({ responseBody: '', latencyMs: 1, ...reply }, url)).toContain(saying)
})
