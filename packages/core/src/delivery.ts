import type { VerifiedMessage } from './verify.ts'

/** What a handler is told besides the event: about the delivery that brought it. */
export interface Delivery<Context = unknown> {
  /** `svix-id`: the same for every attempt to deliver this message. */
  readonly id: string
  /** When the sender signed this attempt. */
  readonly sentAt: Date
  readonly receivedAt: Date
  /** Which run of the handlers this is, counted by an inbox; 1 without one. */
  readonly attempt: number
  /**
   * Aborted when the result can no longer matter to the sender: at `replyTimeoutMs` without an inbox, and when the
   * receiver closes. A handler that ignores it goes on; if it succeeds, the sender's next attempt is a duplicate.
   */
  readonly signal: AbortSignal
  /** The bytes that were verified. */
  readonly rawBody: Uint8Array
  /** Which of the secrets matched; not 0 while a rotation is under way. */
  readonly secretIndex: number
  /** The host's request (Fastify, Express, node), ctx (Koa) or `Request` (fetch). Absent when an inbox runs the handler. */
  readonly context: Context | undefined
}

/** A delivery whose `signal` is made when it is first asked for: most handlers never do, and it is dear. */
export class AbortableDelivery<Context> implements Delivery<Context> {
  declare readonly id: string
  declare readonly sentAt: Date
  declare readonly receivedAt: Date
  readonly attempt = 1
  declare readonly rawBody: Uint8Array
  declare readonly secretIndex: number
  declare readonly context: Context | undefined
  #controller: AbortController | undefined

  constructor({ id, sentAt, body, secretIndex }: VerifiedMessage, receivedAt: Date, context: Context | undefined) {
    this.id = id
    this.sentAt = sentAt
    this.receivedAt = receivedAt
    this.rawBody = body
    this.secretIndex = secretIndex
    this.context = context
  }

  get signal(): AbortSignal {
    return this.#abortable().signal
  }

  /** The first reason stands. */
  abort(reason: Error): void {
    this.#abortable().abort(reason)
  }

  #abortable(): AbortController {
    this.#controller ??= new AbortController()
    return this.#controller
  }
}
