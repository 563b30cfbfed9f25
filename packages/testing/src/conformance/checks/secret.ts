import { generateSecret } from '@scrapenest-webhooks/core'
import { conformancePath, conformanceSecret } from '../check-context.ts'
import type { CheckDefinition } from '../check-definition.ts'
import { accepted, refused } from '../expectation.ts'

/** Which secrets a delivery is verified with. */
export const secretChecks: readonly CheckDefinition[] = [
  {
    id: 'K01',
    name: 'MUST accept any of several secrets, including those a function of the request returns',
    async run(context) {
      context.createReceiver({ secret: [generateSecret(), conformanceSecret] })
      await context.expectReply(context.sign(), accepted)
      context.createReceiver({ secret: async () => [conformanceSecret, generateSecret()] })
      await context.expectReply(context.sign(), accepted)
      const path = `${conformancePath}?tenant=a%2Fb`
      // A host may pass no URL. One that does must not decode it: `/` and `%2F` may be two tenants.
      context.createReceiver({
        secret: ({ url }) => (url === undefined || url.endsWith(path) ? conformanceSecret : undefined),
      })
      await context.expectReply({ ...context.sign(), path }, accepted)
      context.expectHandled(3)
    },
  },
  {
    id: 'K02',
    name: 'MUST answer a request without a secret like a bad signature, and with 503 when the secret function fails',
    async run(context) {
      for (const none of [undefined, null, '', []]) {
        context.createReceiver({ secret: () => none })
        // After the body was read, so that a stranger cannot tell which tenants have a secret.
        await context.expectReply(context.sign(), refused('signature', 400, 'signature_mismatch'))
      }
      context.createReceiver({
        secret: async () => {
          throw new Error('the vault is sealed')
        },
      })
      await context.expectReply(context.sign(), refused('secret', 503, 'secret_unavailable', { 'retry-after': '30' }))
      context.expectHandled(0)
    },
  },
]
