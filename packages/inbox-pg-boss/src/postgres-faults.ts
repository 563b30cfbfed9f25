import { isWebhookError } from '@scrapenest-webhooks/core'
import { InboxUnavailableError } from '@scrapenest-webhooks/inbox'

/** PostgreSQL's SQLSTATE of a full disk, of a read-only server, and of one that is starting or stopping. */
const faultOf = { '53100': 'full', '25006': 'read_only' } as const

/** Asks PostgreSQL; what it throws becomes the inbox's own failure. */
export async function answering<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    throw unavailable(error)
  }
}

/** What PostgreSQL, its client or pg-boss threw, as the inbox's own failure. */
export function unavailable(error: unknown): Error {
  if (isWebhookError(error)) return error
  const { code, message } = Object(error) as { code?: unknown; message?: unknown }
  const fault = faultOf[code as keyof typeof faultOf] ?? 'io_error'
  const detail = typeof message === 'string' && message !== '' ? message : String(code ?? 'it did not answer in time')
  return new InboxUnavailableError(
    fault,
    `PostgreSQL cannot be reached, or refused: ${detail}. It is tried again until it can be.`,
    error,
  )
}
