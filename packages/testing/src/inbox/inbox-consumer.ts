import type { InboxConsumer } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'

/**
 * A consumer to start an inbox with, in place of a receiver or a worker.
 *
 * @param handle the handler. Its result is ignored. What it throws fails the attempt as it is: a `WebhookError`,
 * `PermanentError` or `RetryLaterError`.
 * @param name the receiver's name. Default `'scrapenest'`.
 */
export function createInboxConsumer(
  handle: (...parameters: Parameters<InboxProcessor>) => unknown,
  name: string = 'scrapenest',
): InboxConsumer {
  return {
    name,
    process: async (event, attempt) => {
      await handle(event, attempt)
      return 'handled'
    },
    report() {},
  }
}
