import type { CheckDefinition } from '../check-definition.ts'
import { refused } from '../expectation.ts'
import { withoutBody } from '../not-under.ts'

/** Which methods are accepted. */
export const methodChecks: readonly CheckDefinition[] = [
  {
    id: 'M01',
    name: 'MUST reply with 405 and Allow to a GET',
    notUnder: withoutBody,
    async run(context) {
      context.createReceiver()
      await context.expectReply(
        { method: 'GET', headers: {}, body: Buffer.alloc(0) },
        refused('method', 405, 'method_not_allowed', { allow: 'POST' }),
      )
    },
  },
  {
    id: 'M02',
    name: 'MUST reply with 405 and Allow to a signed PUT, and run no handler',
    async run(context) {
      context.createReceiver()
      await context.expectReply(
        { ...context.sign(), method: 'PUT' },
        refused('method', 405, 'method_not_allowed', { allow: 'POST' }),
      )
      context.expectHandled(0)
    },
  },
]
