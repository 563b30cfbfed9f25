import { failureOf, WebhookError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import type { ReceivedHeaders } from './headers.ts'
import type { InboxConnection } from './inbox.ts'
import type { Acknowledgement } from './reply.ts'
import { signedHeadersOf } from './signed-headers.ts'
import type { VerifiedMessage } from './verify.ts'

/**
 * Puts a verified event into an inbox, which alone decides what is a duplicate; the handlers run later.
 *
 * @throws {WebhookError} `store_unavailable`
 */
export async function storeEvent(
  inbox: InboxConnection,
  name: string,
  event: WebhookEvent,
  { id: messageId, ...verified }: VerifiedMessage,
  receivedAt: Date,
  headers: ReceivedHeaders,
): Promise<Acknowledgement> {
  try {
    const result = await inbox.put({
      ...verified,
      name,
      eventId: event.event_id,
      eventType: event.event_type,
      messageId,
      receivedAt,
      signedHeaders: signedHeadersOf(headers),
    })
    if (result === 'stored') return 'accepted'
    if (result === 'duplicate') return result
    // Whoever writes an inbox may forget to answer: an event that may not be kept is not acknowledged.
    throw new WebhookError('store_unavailable', 'no known answer.')
  } catch (error) {
    throw failureOf('store_unavailable', error)
  }
}
