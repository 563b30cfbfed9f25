import { createEvent } from '../../events.ts'
import type { CheckDefinition } from '../check-definition.ts'
import { accepted, duplicate, refused } from '../expectation.ts'
import { withoutBody } from '../not-under.ts'

/** What a signed body must contain. */
export const envelopeChecks: readonly CheckDefinition[] = [
  {
    id: 'P01',
    name: 'MUST reply with 400 to an empty body, even if it is signed',
    notUnder: withoutBody,
    async run(context) {
      context.createReceiver()
      await context.expectReply(context.sign(''), refused('envelope', 400, 'envelope_invalid'))
      context.expectHandled(0)
    },
  },
  {
    id: 'P02',
    name: 'MUST reply with 400 to signed bytes that are not JSON',
    async run(context) {
      context.createReceiver()
      await context.expectReply(
        context.sign('{"event_type": "job.created"'),
        refused('envelope', 400, 'envelope_invalid'),
      )
      context.expectHandled(0)
    },
  },
  {
    id: 'P03',
    name: 'MUST reply with 400 to signed bytes that are not UTF-8',
    async run(context) {
      context.createReceiver()
      const bytes = Buffer.from('{"event_type":"job.created","org_slug":"?"}')
      bytes[bytes.indexOf('?')] = 0xff
      await context.expectReply(context.sign(bytes), refused('envelope', 400, 'envelope_invalid'))
      context.expectHandled(0)
    },
  },
  {
    id: 'P04',
    name: 'MUST reply with 400 to signed JSON that is not an event',
    async run(context) {
      context.createReceiver()
      for (const json of ['[]', '{}', '{"event_type":""}', '{"event_type":1}']) {
        await context.expectReply(context.sign(json), refused('envelope', 400, 'envelope_invalid'))
      }
      context.expectHandled(0)
    },
  },
  {
    id: 'P05',
    name: 'MUST recognize an event without event_id by its message id',
    async run(context) {
      context.createReceiver()
      const { event_id: _, ...event } = createEvent('job.created')
      const delivery = context.sign(event)
      await context.expectReply(delivery, accepted)
      await context.expectReply(delivery, duplicate)
      context.expectHandled(1)
    },
  },
]
