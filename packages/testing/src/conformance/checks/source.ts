import type { CheckDefinition } from '../check-definition.ts'
import { accepted, refused } from '../expectation.ts'

/** Which client addresses are accepted. */
export const sourceChecks: readonly CheckDefinition[] = [
  {
    id: 'S01',
    name: 'MUST reply with 403 to an address that is not allowed, before any other check',
    async run(context) {
      context.createReceiver({ allowedSources: ['192.0.2.0/24', '2001:db8::/32'] })
      await context.expectReply(context.sign(), refused('source', 403, 'source_not_allowed'))
      await context.expectReply(
        { headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') },
        refused('source', 403, 'source_not_allowed'),
      )
      context.expectHandled(0)
    },
  },
  {
    id: 'S02',
    name: 'MUST accept an address that is allowed',
    async run(context) {
      context.createReceiver({ allowedSources: ['127.0.0.0/8', '::1'] })
      await context.expectReply(context.sign(), accepted)
      context.expectHandled(1)
    },
  },
]
