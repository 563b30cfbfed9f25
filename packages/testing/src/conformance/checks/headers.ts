import { generateSecret } from '@scrapenest-webhooks/core'
import { type SignedDelivery, signDelivery } from '../../deliveries.ts'
import { createEvent } from '../../events.ts'
import { conformanceSecret } from '../check-context.ts'
import type { CheckDefinition } from '../check-definition.ts'
import { accepted, refused } from '../expectation.ts'

/** The signed headers, before the body is read. */
export const headerChecks: readonly CheckDefinition[] = [
  {
    id: 'H01',
    name: 'MUST reply with 400 when a signed header is missing or empty',
    async run(context) {
      context.createReceiver()
      for (const name of ['svix-id', 'svix-timestamp', 'svix-signature']) {
        const { headers, body } = context.sign()
        const { [name]: _, ...others } = headers
        await context.expectReply({ headers: others, body }, refused('headers', 400, 'missing_header'))
        await context.expectReply(
          { headers: { ...headers, [name]: '' }, body },
          refused('headers', 400, 'missing_header'),
        )
      }
      context.expectHandled(0)
    },
  },
  {
    id: 'H02',
    name: 'MUST reply with 400 when the two header families are mixed',
    async run(context) {
      context.createReceiver()
      const { headers, body } = context.sign()
      const { 'svix-id': id, ...others } = headers
      await context.expectReply(
        { headers: { ...others, 'webhook-id': id as string }, body },
        refused('headers', 400, 'missing_header'),
      )
      context.expectHandled(0)
    },
  },
  {
    id: 'H03',
    name: 'MUST reply with 400 to a message id that is malformed or was sent twice',
    async run(context) {
      context.createReceiver()
      for (const id of ['msg.1', 'msg 1', 'x'.repeat(257), 'é', ['msg_1', 'msg_2']]) {
        const { headers, body } = context.sign()
        await context.expectReply(
          { headers: { ...headers, 'svix-id': id }, body },
          refused('headers', 400, 'message_id_invalid'),
        )
      }
      context.expectHandled(0)
    },
  },
  {
    id: 'H04',
    name: 'MUST reply with 400 to a timestamp that is not a plain number of seconds',
    async run(context) {
      context.createReceiver()
      const seconds = String(Math.floor(context.clock.now() / 1000))
      const timestamps = [
        `${seconds}abc`,
        `${seconds}.5`,
        `+${seconds}`,
        `0${seconds}`,
        '0x1',
        '1e9',
        '-1',
        'NaN',
        'Infinity',
        [seconds, seconds],
      ]
      for (const timestamp of timestamps) {
        const { headers, body } = context.sign()
        await context.expectReply(
          { headers: { ...headers, 'svix-timestamp': timestamp }, body },
          refused('headers', 400, 'timestamp_invalid'),
        )
      }
      context.expectHandled(0)
    },
  },
  {
    id: 'H05',
    name: 'MUST reply with 400 to a timestamp 301 s old or 301 s ahead, and accept 300 s',
    async run(context) {
      context.createReceiver()
      for (const seconds of [-301, 301]) {
        const sentAt = new Date(context.clock.now() + seconds * 1000)
        const delivery = signDelivery(createEvent('job.created'), { secret: conformanceSecret, sentAt })
        await context.expectReply(delivery, refused('headers', 400, 'timestamp_outside_tolerance'))
      }
      for (const seconds of [-300, 300]) {
        const sentAt = new Date(context.clock.now() + seconds * 1000)
        await context.expectReply(
          signDelivery(createEvent('job.created'), { secret: conformanceSecret, sentAt }),
          accepted,
        )
      }
      context.expectHandled(2)
    },
  },
  {
    id: 'H06',
    name: 'MUST reply with 400 when no signature has a supported form',
    async run(context) {
      context.createReceiver()
      for (const signature of [
        'v2,x',
        'v1a,x',
        'v1=x',
        'v1',
        'V1,x',
        'v1,',
        `v1,${'A'.repeat(44)}`,
        `v1,${'-'.repeat(43)}=`,
      ]) {
        const { headers, body } = context.sign()
        await context.expectReply(
          { headers: { ...headers, 'svix-signature': signature }, body },
          refused('headers', 400, 'no_supported_signature'),
        )
      }
      context.expectHandled(0)
    },
  },
  {
    id: 'H07',
    name: 'MUST accept the webhook-* header family',
    async run(context) {
      context.createReceiver()
      const { headers, body } = context.sign()
      await context.expectReply({ headers: renamed(headers), body }, accepted)
      context.expectHandled(1)
    },
  },
  {
    id: 'H08',
    name: 'MUST accept two complete header families if one of them verifies',
    async run(context) {
      context.createReceiver()
      const { headers, body } = context.sign()
      const wrong = signDelivery(body, { secret: generateSecret(), sentAt: new Date(context.clock.now()) })
      await context.expectReply({ headers: { ...wrong.headers, ...renamed(headers) }, body }, accepted)
      context.expectHandled(1)
    },
  },
]

function renamed(headers: SignedDelivery['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.replace(/^svix-/, 'webhook-'), value]))
}
