import type { CheckDefinition } from '../check-definition.ts'
import { accepted, refused } from '../expectation.ts'
import { ownTransfer } from '../not-under.ts'

/** Which content encodings are accepted: a signature covers the bytes that were sent. */
export const encodingChecks: readonly CheckDefinition[] = [
  {
    id: 'E01',
    name: 'MUST reply with 415 to a compressed body, whatever its encoding',
    notUnder: {
      'parser first': 'the parser decompresses it',
      'captured raw body': 'the parser decompresses it',
      compressed: ownTransfer,
    },
    async run(context) {
      context.createReceiver()
      for (const encoding of ['gzip', 'BR', 'gzip, identity']) {
        const { headers, body } = context.sign()
        await context.expectReply(
          { headers: { ...headers, 'content-encoding': encoding }, body },
          refused('encoding', 415, 'content_encoding_unsupported'),
        )
      }
      context.expectHandled(0)
    },
  },
  {
    id: 'E02',
    name: 'MUST accept the content encoding identity',
    notUnder: { compressed: ownTransfer },
    async run(context) {
      context.createReceiver()
      const { headers, body } = context.sign()
      await context.expectReply({ headers: { ...headers, 'content-encoding': 'identity' }, body }, accepted)
      context.expectHandled(1)
    },
  },
]
