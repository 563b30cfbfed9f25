// Exports with inferred types, in an application whose only package of ours is the testing kit.
import {
  ConformanceFailure,
  conditions,
  conformanceChecks,
  createEvent,
  createInboxConsumer,
  createInboxEvent,
  deliver,
  fakeClock,
  generateSecret,
  inboxChecks,
  signDelivery,
  untilInboxStats,
} from '@scrapenest-webhooks/testing'

export const secret = generateSecret()
export const event = createEvent('job.completed', { data: { status: 'failed' } })
export const data = createEvent('artifact.ready').data
export const create = createEvent
export const delivery = signDelivery(event, { secret })
export const body = delivery.body
export const delivered = deliver('http://127.0.0.1:3000/webhooks/scrapenest', delivery)
export const clock = fakeClock()
export const now = clock.now

export const checks = conformanceChecks
export const runFirst = checks[0]?.run
export const everyCondition = conditions
export const failure = new ConformanceFailure('Expected 202.')
export const ofInboxes = inboxChecks
export const consumer = createInboxConsumer(() => undefined)
export const stored = createInboxEvent()
export const until = untilInboxStats
