import type { AbortableDelivery } from './delivery.ts'
import {
  BodyTimeoutError,
  HandlerTimeoutError,
  SecretUnavailableError,
  StoreUnavailableError,
  type WebhookError,
} from './errors.ts'
import type { Acknowledgement } from './reply.ts'
import type { Trace } from './reporter.ts'
import type { WebhookRequest } from './request.ts'

/** One request on its way through a receiver: what is known of it so far, and what it is waiting for. */
export class Reception<Context> implements Trace {
  readonly request: WebhookRequest
  readonly context: Context | undefined
  readonly startedAtMs: number = performance.now()
  /** Decides what the reply says when the time is over. */
  waitingFor: 'secret' | 'body' | 'store' | 'handlers' = 'body'
  /** The reply has gone: whatever still arrives (a secret, a body) is not worked on. */
  isLate = false
  isBodyRead = false
  acknowledgement: Acknowledgement | undefined = undefined
  deliveryId: string | undefined = undefined
  eventId: string | undefined = undefined
  eventType: string | undefined = undefined
  secretIndex: number | undefined = undefined
  delivery: AbortableDelivery<Context> | undefined = undefined

  constructor(request: WebhookRequest, context: Context | undefined) {
    this.request = request
    this.context = context
  }

  /**
   * Settles as `work` does, or rejects when the time is over. `work` goes on: handlers under their claim, and their
   * `signal` tells them.
   */
  inTime<Result>(work: Promise<Result>, timeoutMs: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.isLate = true
        const error = this.#lateError(timeoutMs)
        this.delivery?.abort(error)
        reject(error)
      }, timeoutMs)
      work.then(
        (result) => {
          clearTimeout(timer)
          resolve(result)
        },
        (error: unknown) => {
          clearTimeout(timer)
          reject(error)
        },
      )
    })
  }

  #lateError(timeoutMs: number): WebhookError {
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
