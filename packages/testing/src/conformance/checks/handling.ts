import { PermanentError, RetryLaterError } from '@scrapenest-webhooks/core'
import { createEvent } from '../../events.ts'
import type { CheckDefinition } from '../check-definition.ts'
import { ConformanceFailure } from '../conformance-failure.ts'
import { accepted, duplicate, reachesHandlers, refused } from '../expectation.ts'

/** Short, because the check waits for it, but long enough that even a loaded machine calls the handler first. */
const handlerDeadlineMs = 400

/** How a verified event is handled, and which reply the sender gets. */
export const handlingChecks: readonly CheckDefinition[] = [
  {
    id: 'D01',
    name: 'MUST pass a verified event to its handler once, and acknowledge repeats as duplicates',
    async run(context) {
      context.createReceiver()
      const event = createEvent('artifact.ready')
      await context.expectReply(context.sign(event), accepted)
      // Signed again under another message id: the event decides.
      await context.expectReply(context.sign(event), duplicate)
      context.expectHandled(1)
    },
  },
  {
    id: 'D02',
    name: 'MUST reply with 409 while the same event is being handled',
    notUnder: { slow: 'both bodies would only wait for their deadline' },
    async run(context) {
      let finish = (): void => {}
      const finished = new Promise<void>((resolve) => {
        finish = resolve
      })
      context.createReceiver({
        onEvent: {
          '*': (event, delivery) => {
            context.record(event, delivery)
            return finished
          },
        },
      })
      const delivery = context.sign()
      const first = context.expectReply(delivery, accepted)
      try {
        await Promise.race([context.waitFor(() => context.events[0]), first])
        await context.expectReply(delivery, refused('handling', 409, 'event_in_progress', { 'retry-after': '10' }))
      } finally {
        finish()
      }
      await first
      context.expectHandled(1)
    },
  },
  {
    id: 'D03',
    name: 'MUST reply with 500 when a handler throws, reveal nothing about why, and handle the event when it is retried',
    async run(context) {
      context.createReceiver({
        onError() {},
        onEvent: {
          '*': (event, delivery) => {
            context.record(event, delivery)
            if (context.events.length === 1) throw new Error('the database password is hunter2')
          },
        },
      })
      const delivery = context.sign()
      await context.expectReply(delivery, refused('handling', 500, 'handler_failed'))
      await context.expectReply(delivery, accepted)
      await context.expectReply(delivery, duplicate)
      context.expectHandled(2)
    },
  },
  {
    id: 'D04',
    name: 'MUST acknowledge an event as dropped when a handler throws PermanentError',
    async run(context) {
      context.createReceiver({
        onEvent: {
          '*': (event, delivery) => {
            context.record(event, delivery)
            throw new PermanentError('no such customer')
          },
        },
      })
      const delivery = context.sign()
      await context.expectReply(delivery, { at: 'handling', status: 202, body: { status: 'dropped' } })
      await context.expectReply(delivery, duplicate)
      context.expectHandled(1)
    },
  },
  {
    id: 'D05',
    name: 'MUST reply with 503 and the Retry-After that a handler asks for',
    async run(context) {
      context.createReceiver({
        onEvent: {
          '*': (event, delivery) => {
            context.record(event, delivery)
            throw new RetryLaterError('rate limited', { retryAfterSeconds: 120 })
          },
        },
      })
      await context.expectReply(context.sign(), refused('handling', 503, 'retry_later', { 'retry-after': '120' }))
      context.expectHandled(1)
    },
  },
  {
    id: 'D06',
    name: 'MUST reply with 503 when the handlers do not finish in time',
    async run(context) {
      let finish = (): void => {}
      context.createReceiver({
        replyTimeoutMs: handlerDeadlineMs,
        onEvent: {
          '*': (event, delivery) => {
            context.record(event, delivery)
            return new Promise<void>((resolve) => {
              finish = resolve
            })
          },
        },
      })
      await context.expectReply(context.sign(), refused('handling', 503, 'handler_timeout', { 'retry-after': '30' }))
      finish()
      context.expectHandled(1)
    },
  },
  {
    id: 'D07',
    name: 'MUST acknowledge unknown event types, and run no typed handler for them',
    async run(context) {
      context.createReceiver()
      const types = ['monitor.changed', 'job.paused', 'constructor', '__proto__', 'toString', '*', 'job.*']
      for (const event_type of types)
        await context.expectReply(context.sign({ ...createEvent('job.created'), event_type }), accepted)
      context.expectHandled(0)
      const expected = reachesHandlers(context.condition) ? types.length : 0
      if (context.unknownEvents.length !== expected) {
        throw new ConformanceFailure(
          `Expected ${expected} calls to onUnknownEvent, got ${context.unknownEvents.length}.`,
        )
      }
    },
  },
  {
    id: 'D08',
    name: 'MUST reply with 500 to data that the schema of its type rejects',
    async run(context) {
      context.createReceiver({
        schemas: {
          'job.created': {
            '~standard': { version: 1, vendor: 'conformance', validate: () => ({ issues: [{ message: 'no' }] }) },
          },
        },
      })
      await context.expectReply(context.sign(createEvent('job.created')), refused('handling', 500, 'schema_mismatch'))
      context.expectHandled(0)
    },
  },
  {
    id: 'D09',
    name: 'MUST reply with 503 when the duplicate store is unavailable',
    async run(context) {
      context.createReceiver({
        duplicates: {
          claim: async () => {
            throw new Error('connect ECONNREFUSED')
          },
          complete() {},
          release() {},
        },
      })
      await context.expectReply(context.sign(), refused('handling', 503, 'store_unavailable', { 'retry-after': '30' }))
      context.expectHandled(0)
    },
  },
  {
    id: 'D10',
    name: 'MUST reply as usual when hooks throw or hang',
    async run(context) {
      const thrown = (): never => {
        throw new Error('a broken hook')
      }
      context.createReceiver({ onUnknownEvent: thrown, onError: () => new Promise(() => {}) })
      await context.expectReply(
        context.sign({ ...createEvent('job.created'), event_type: 'monitor.changed' }),
        accepted,
      )
      context.createReceiver({ onUnknownEvent: () => Promise.reject(new Error('a broken hook')) })
      await context.expectReply(
        context.sign({ ...createEvent('job.created'), event_type: 'monitor.changed' }),
        accepted,
      )
    },
  },
]
