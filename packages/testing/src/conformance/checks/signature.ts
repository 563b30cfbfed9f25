import { generateSecret, sign } from '@scrapenest-webhooks/core'
import { signDelivery } from '../../deliveries.ts'
import { createEvent } from '../../events.ts'
import type { CheckDefinition } from '../check-definition.ts'
import { accepted, refused } from '../expectation.ts'
import { unusualJson } from '../unusual-json.ts'

/** Signatures over the exact bytes. */
export const signatureChecks: readonly CheckDefinition[] = [
  {
    id: 'V01',
    name: 'MUST reply with 400 to a signature made with another secret',
    async run(context) {
      context.createReceiver()
      const delivery = signDelivery(createEvent('job.created'), {
        secret: generateSecret(),
        sentAt: new Date(context.clock.now()),
      })
      await context.expectReply(delivery, refused('signature', 400, 'signature_mismatch'))
      context.expectHandled(0)
    },
  },
  {
    id: 'V02',
    name: 'MUST reply with 400 when body, id or timestamp were changed after signing',
    async run(context) {
      context.createReceiver()
      const { headers, body } = context.sign()
      const changed = Buffer.from(body.toString('utf8').replace('succeeded', 'succeedeD'))
      const later = String(Number(headers['svix-timestamp']) + 1)
      await context.expectReply({ headers, body: changed }, refused('signature', 400, 'signature_mismatch'))
      await context.expectReply(
        { headers: { ...headers, 'svix-id': 'msg_other' }, body },
        refused('signature', 400, 'signature_mismatch'),
      )
      await context.expectReply(
        { headers: { ...headers, 'svix-timestamp': later }, body },
        refused('signature', 400, 'signature_mismatch'),
      )
      context.expectHandled(0)
    },
  },
  {
    id: 'V03',
    name: 'MUST reply with 400 to JSON that was parsed and serialized again in transit',
    async run(context) {
      context.createReceiver()
      const { headers, body } = context.sign(unusualJson)
      const reserialized = Buffer.from(JSON.stringify(JSON.parse(body.toString('utf8'))))
      await context.expectReply({ headers, body: reserialized }, refused('signature', 400, 'signature_mismatch'))
      context.expectHandled(0)
    },
  },
  {
    id: 'V04',
    name: 'MUST accept one matching signature among several, in one header or two',
    async run(context) {
      context.createReceiver()
      const first = context.sign()
      const other = sign({ id: 'msg_1', timestamp: 1, body: 'x' }, generateSecret())['svix-signature']
      const own = first.headers['svix-signature'] as string
      await context.expectReply(
        { ...first, headers: { ...first.headers, 'svix-signature': `v1a,AAAA ${other} ${own}` } },
        accepted,
      )
      const second = context.sign()
      const both = [other, second.headers['svix-signature'] as string]
      await context.expectReply({ ...second, headers: { ...second.headers, 'svix-signature': both } }, accepted)
      context.expectHandled(2)
    },
  },
]
