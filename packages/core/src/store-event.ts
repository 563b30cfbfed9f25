import type { Delivery } from './delivery.ts'
import { StoreUnavailableError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import type { ReceivedHeaders } from './headers.ts'
import type { InboxConnection } from './inbox.ts'
import type { Acknowledgement } from './reply.ts'
import { signedHeadersOf } from './signed-headers.ts'

/**
 * Puts a verified event into an inbox, which alone decides what is a duplicate; the handlers run later.
 *
 * @throws {StoreUnavailableError} `store_unavailable`
 */
export async function storeEvent(
  inbox: InboxConnection,
  name: string,
  event: WebhookEvent,
  { delivery, headers }: { readonly delivery: Delivery<unknown>; readonly headers: ReceivedHeaders },
): Promise<Acknowledgement> {
  const { id, sentAt, receivedAt, rawBody, secretIndex } = delivery
  try {
    const result = await inbox.put({
      name,
      eventId: event.event_id,
      eventType: event.event_type,
      messageId: id,
      sentAt,
      receivedAt,
      signedHeaders: signedHeadersOf(headers),
      body: rawBody,
      secretIndex,
    })
    if (result === 'stored') return 'accepted'
    if (result === 'duplicate') return 'duplicate'
    // Whoever writes an inbox may forget to answer: an event that may not be kept is not acknowledged.
    throw new TypeError(`Expected put to give 'stored' or 'duplicate', got ${typeof result}.`)
  } catch (error) {
    throw error instanceof StoreUnavailableError ? error : new StoreUnavailableError(error)
  }
}
