import type { CheckDefinition } from '../check-definition.ts'
import { refused } from '../expectation.ts'

/** What a closing receiver answers. */
export const closingChecks: readonly CheckDefinition[] = [
  {
    id: 'C01',
    name: 'MUST reply with 503 once the receiver is closing',
    async run(context) {
      await context.createReceiver().close()
      await context.expectReply(context.sign(), refused('method', 503, 'receiver_closing', { 'retry-after': '30' }))
      context.expectHandled(0)
    },
  },
]
