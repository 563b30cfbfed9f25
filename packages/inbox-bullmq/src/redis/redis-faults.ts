import { isWebhookError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '@scrapenest-webhooks/inbox'

/** What Redis or its client threw, as the inbox's own failure. */
export function unavailable(error: unknown): Error {
  if (isWebhookError(error)) return error
  const text = error instanceof Error ? error.message : ''
  if (text.startsWith('OOM')) {
    return new InboxUnavailableError(
      'full',
      'Redis has used up its maxmemory. Give it more, or purge done events.',
      error,
    )
  }
  if (/^(READONLY|MISCONF|NOREPLICAS)/.test(text)) {
    return new InboxUnavailableError('read_only', `Redis takes no writes: ${text}`, error)
  }
  const detail = text === '' ? 'it did not answer in time' : text
  return new InboxUnavailableError(
    'io_error',
    `Redis cannot be reached: ${detail}. It is tried again until it can be.`,
    error,
  )
}
