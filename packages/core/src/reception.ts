import type { AbortableDelivery } from './delivery.ts'
import {
  BodyTimeoutError,
  HandlerTimeoutError,
  SecretUnavailableError,
  StoreUnavailableError,
  type WebhookError,
} from './errors.ts'
import type { Acknowledgement, WebhookReply } from './reply.ts'
import type { Trace } from './reporter.ts'
import type { WebhookRequest } from './request.ts'

/** One request on its way through a receiver: what is known of it so far, and what it is waiting for. */
export class Reception<Context> implements Trace {
  readonly request: WebhookRequest
  readonly context: Context | undefined
  /** Gives the host its reply. */
  readonly reply: (reply: WebhookReply) => void
  readonly startedAtMs: number = performance.now()
  /** Decides what the reply says when the time is over. */
  waitingFor: 'secret' | 'body' | 'store' | 'handlers' = 'body'
  /** The reply has gone: whatever still arrives (a secret, a body) is not worked on. */
  isAnswered = false
  isBodyRead = false
  acknowledgement: Acknowledgement | undefined = undefined
  deliveryId: string | undefined = undefined
  eventId: string | undefined = undefined
  eventType: string | undefined = undefined
  secretIndex: number | undefined = undefined
  delivery: AbortableDelivery<Context> | undefined = undefined
  /** Its neighbours in the list of requests that are not late yet. */
  older: Reception<Context> | undefined = undefined
  newer: Reception<Context> | undefined = undefined

  constructor(request: WebhookRequest, context: Context | undefined, reply: (reply: WebhookReply) => void) {
    this.request = request
    this.context = context
    this.reply = reply
  }

  /** Why there is no result when the time is over. */
  lateError(timeoutMs: number): WebhookError {
    switch (this.waitingFor) {
      case 'secret':
        return new SecretUnavailableError()
      case 'body':
        return new BodyTimeoutError(timeoutMs)
      case 'store':
        return new StoreUnavailableError()
      case 'handlers':
        return new HandlerTimeoutError(timeoutMs)
    }
  }
}
