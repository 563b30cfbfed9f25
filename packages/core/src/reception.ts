import type { AbortableDelivery } from './delivery.ts'
import type { WebhookErrorCode } from './errors.ts'
import type { Linked } from './in-flight.ts'
import type { WebhookReply } from './reply.ts'
import type { EventFacts, Trace } from './reporter.ts'
import type { WebhookRequest } from './request.ts'

/** One request on its way through a receiver: what is known of it so far, and what it is waiting for. */
export interface Reception<Context> extends Trace, Linked {
  readonly request: WebhookRequest
  readonly context: Context | undefined
  /** Gives the host its reply. */
  readonly reply: (reply: WebhookReply) => void
  /** By a clock of its own, which nobody sets. */
  readonly startedAtMs: number
  /** By the receiver's clock. */
  receivedAtMs: number
  /** Why there is no result, should the time be over now. */
  lateCode: WebhookErrorCode
  /** The reply has gone: whatever still arrives (a secret, a body) is not worked on. */
  isAnswered: boolean
  isBodyRead: boolean
  facts: EventFacts
  secretIndex: number | undefined
  delivery: AbortableDelivery<Context> | undefined
}
