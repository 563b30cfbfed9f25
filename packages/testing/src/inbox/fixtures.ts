import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InboxConsumer, InboxEvent } from '@scrapenest-webhooks/core'
import type { InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import type { InboxUnderTest, InboxUnderTestStats } from './contract.ts'

/** An event as a receiver puts it into an inbox, new at each call, with what you override. */
export function createInboxEvent(overrides: Partial<InboxEvent> = {}): InboxEvent {
  const { eventId = randomUUID(), eventType = 'job.created' } = overrides
  const messageId = `msg_${randomUUID()}`
  // What is signed are whole seconds.
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

/**
 * A consumer to start an inbox with, as a receiver or a worker is one.
 *
 * @param handle the handler; what it returns does not matter, what it throws fails the attempt as an inbox is told of it:
 * a `WebhookError`, `PermanentError`, `RetryLaterError`, …
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

/**
 * Resolves when an inbox has come to these numbers of events.
 *
 * @param timeoutMs how long it may take, in milliseconds. Default 5000.
 * @throws {Error} when it has not come to them in time, with the numbers it has.
 *
 * @example
 * await untilInboxStats(inbox, { done: 2, dead: 0 })
 */
export async function untilInboxStats(
  inbox: Pick<InboxUnderTest, 'stats'>,
  wanted: Partial<InboxUnderTestStats>,
  timeoutMs: number = 5000,
): Promise<void> {
  const giveUpAtMs = performance.now() + timeoutMs
  for (;;) {
    const stats = await inbox.stats()
    if (Object.entries(wanted).every(([state, count]) => stats[state as keyof InboxUnderTestStats] === count)) return
    if (performance.now() > giveUpAtMs) {
      const numbers = JSON.stringify(stats)
      throw new Error(`Expected the inbox to come to ${JSON.stringify(wanted)} in ${timeoutMs} ms; it has ${numbers}.`)
    }
    await sleep(2)
  }
}
