import { randomUUID } from 'node:crypto'
import type { InboxEvent } from '@scrapenest-webhooks/core'

/** Creates an event as a receiver would put it into an inbox, with your overrides. */
export function createInboxEvent(overrides: Partial<InboxEvent> = {}): InboxEvent {
  const { eventId = randomUUID(), eventType = 'job.created' } = overrides
  const messageId = `msg_${randomUUID()}`
  // Signed timestamps are whole seconds.
  const sentAt = new Date(Math.floor(Date.now() / 1000) * 1000)
  return {
    name: 'scrapenest',
    eventId,
    eventType,
    messageId,
    sentAt,
    receivedAt: new Date(),
    signedHeaders: {
      'svix-id': messageId,
      'svix-timestamp': String(sentAt.getTime() / 1000),
      'svix-signature': 'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
    },
    body: Buffer.from(JSON.stringify({ event_id: eventId, event_type: eventType, data: { job_id: randomUUID() } })),
    secretIndex: 0,
    ...overrides,
  }
}
