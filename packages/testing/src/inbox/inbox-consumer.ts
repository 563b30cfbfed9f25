import type { InboxConsumer } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'

/**
 * Creates a consumer to start an inbox with, instead of a receiver or a worker.
 *
 * @param handle the handler. Its result is ignored. Throw a `WebhookError`, a `PermanentError` or a `RetryLaterError` to
 * fail the attempt with it.
 * @param name the receiver's name. Default: `'scrapenest'`.
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
