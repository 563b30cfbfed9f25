import type { CheckDefinition } from '../check-definition.ts'
import { refused } from '../expectation.ts'
import { ownTransfer } from '../not-under.ts'

/** How long a body may be. */
export const lengthChecks: readonly CheckDefinition[] = [
  {
    id: 'L01',
    name: 'MUST reply with 413 to a body whose declared length is too large, and close the connection',
    notUnder: {
      'chunked mid-code-point': 'a chunked body declares no length',
      compressed: 'it is refused before its length is checked',
    },
    async run(context) {
      context.createReceiver({ maxBodyBytes: 64 })
      await context.expectReply(context.sign(), refused('length', 413, 'body_too_large', { connection: 'close' }))
      context.expectHandled(0)
    },
  },
  {
    id: 'L02',
    name: 'MUST reply with 413 to a body that exceeds the limit while it is read, and close the connection',
    notUnder: {
      'parser first': ownTransfer,
      compressed: ownTransfer,
      oversized: ownTransfer,
      slow: ownTransfer,
      aborted: ownTransfer,
    },
    async run(context) {
      context.createReceiver({ maxBodyBytes: 64 })
      await context.expectReply(
        // A parser that runs first reads to the end; the webhook itself must not wait for it.
        { ...context.sign(), manner: context.arrangement === 'bare' ? 'endless' : 'bytes' },
        refused('body', 413, 'body_too_large', { connection: 'close' }),
      )
      context.expectHandled(0)
    },
  },
]
