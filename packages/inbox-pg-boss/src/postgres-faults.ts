import { isWebhookError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '@scrapenest-webhooks/inbox'

/** SQLSTATEs of a full disk and of a read-only server. */
const faultOf = { '53100': 'full', '25006': 'read_only' } as const

/** What PostgreSQL, its client or pg-boss threw, as the inbox's own failure. */
export function unavailable(error: unknown): Error {
  if (isWebhookError(error)) return error
  const { code, message } = Object(error) as { code?: unknown; message?: unknown }
  const fault = faultOf[code as keyof typeof faultOf] ?? 'io_error'
  const detail = typeof message === 'string' && message !== '' ? message : String(code ?? 'it did not answer in time')
  return new InboxUnavailableError(
    fault,
    `PostgreSQL is unavailable, or refused: ${detail}. The inbox keeps trying.`,
    error,
  )
}
