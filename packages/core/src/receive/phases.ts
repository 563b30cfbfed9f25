import { AsyncResource } from 'node:async_hooks'
import type { PlainErrorCode } from '../errors.ts'
import type { Logger } from '../report/log.ts'
import type { EventIds, Subject } from '../report/reporter.ts'
import type { Outcome, WebhookReply } from './reply.ts'
import { loggerOf, remoteAddressOf, type WebhookRequest } from './request.ts'

export type Phase = 'headers' | 'secret' | 'body' | 'verify' | 'store' | 'handlers' | 'ending'

interface PhaseRow {
  /** The reply when `replyTimeoutMs` passes in this phase. Absent where it cannot, and where the handlers' result is sent. */
  readonly lateCode?: PlainErrorCode
  /**
   * What `close()` does with a delivery in this phase. `answer`: 503 `receiver_closing` at once, and nothing more is done
   * with it. `wait`: waits for it until the budget ends, then answers 503, or the handlers' result if there is one.
   */
  readonly onClose: 'answer' | 'wait'
  /** Whether the body has been read, so that the connection can be reused. */
  readonly isBodyRead: boolean
}

/**
 * The phases of one delivery, in order. The reply is sent once; after it, the work of the current phase goes on, and the
 * delivery stays open until that work ends.
 *
 * The story of the reply deadline: at `replyTimeoutMs`, counted from the start of the request, the delivery is answered
 * with the `lateCode` of its phase.
 * 1. In `secret` and `body` that is the end: what arrives later is dropped, and the retry starts over.
 * 2. In `store`, a `put` that succeeds late stays, so the retry is a duplicate; a claim that succeeds late is released.
 * 3. In `handlers`, the reply is 503 `handler_timeout` and the handlers' `signal` is aborted. They keep running under their
 *    claim. Meanwhile a retry gets 409 `event_in_progress`. If they succeed, the next one is a duplicate; if they fail,
 *    the claim is released and the next one runs them again.
 * 4. In `ending`, the handlers' result is sent without waiting for the store.
 */
export const phases: Readonly<Record<Phase, PhaseRow>> = {
  /** Synchronous. Left for `secret`, or with 400, 403, 405, 413 or 415. */
  headers: { onClose: 'answer', isBodyRead: false },
  /** The secret function is running. Left with secrets, with none (refused after the body), 503 or 500. */
  secret: { lateCode: 'secret_unavailable', onClose: 'answer', isBodyRead: false },
  /** The body is being read. Left with bytes, or with 400, 413, 415 or 500. */
  body: { lateCode: 'body_timeout', onClose: 'answer', isBodyRead: false },
  /** Synchronous. Left with an event, or with 400. */
  verify: { onClose: 'answer', isBodyRead: true },
  /** The event is being claimed or put into the inbox. Left with a claim, or with 202, 409 or 503. */
  store: { lateCode: 'store_unavailable', onClose: 'wait', isBodyRead: true },
  /** Schema and handlers are running, under a claim. Left with their result. */
  handlers: { lateCode: 'handler_timeout', onClose: 'wait', isBodyRead: true },
  /** The claim is being completed or released. Left when the store has done so; if it fails, the claim expires. */
  ending: { onClose: 'wait', isBodyRead: true },
}

/** One delivery in progress: its phase, and what is known about it so far. */
export class OpenDelivery<Context> implements Subject {
  readonly request: WebhookRequest
  readonly context: Context | undefined
  /** Sends the reply to the host. */
  readonly reply: (reply: WebhookReply) => void
  /** Monotonic (`performance.now()`). */
  readonly startedAtMs: number = performance.now()
  // Captures the async context of the request. `AsyncLocalStorage.snapshot()` does the same at eighty times the cost.
  readonly #resource = new AsyncResource('SCRAPENEST_DELIVERY')
  phase: Phase = 'headers'
  isAnswered = false
  ids: EventIds = {}
  secretIndex: number | undefined
  /** Aborts the handlers' `signal`; set when they start. */
  controller: AbortController | undefined
  /** Set when the handlers are done. */
  result: Outcome | undefined
  /** Position in the list of open deliveries, which maintains it. */
  position = -1

  constructor(request: WebhookRequest, context: Context | undefined, reply: (reply: WebhookReply) => void) {
    this.request = request
    this.context = context
    this.reply = reply
  }

  /** Runs a function in the async context of the request: the deadline timer and `close()` have another one. */
  inContext(run: () => void): void {
    this.#resource.runInAsyncScope(run)
  }

  get remoteAddress(): string | undefined {
    return remoteAddressOf(this.request)
  }

  get logger(): Logger | undefined {
    return loggerOf(this.request)
  }

  get isUnverified(): boolean {
    return this.secretIndex === undefined
  }
}
