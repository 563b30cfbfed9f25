/** The second argument of a handler: facts about how the event was delivered. */
export interface Delivery<Context = unknown> {
  /** `svix-id`: the same for every delivery of this message. */
  readonly messageId: string
  /** When the sender signed this delivery. */
  readonly sentAt: Date
  /** When this server received the delivery. */
  readonly receivedAt: Date
  /** The number of this attempt in an inbox, from 1. Always 1 without an inbox. */
  readonly attempt: number
  /**
   * Aborted when the receiver or worker closes. Without an inbox, also at `replyTimeoutMs`. With an inbox, also at
   * `handlerTimeoutMs` and when the lease is lost. A handler that ignores it keeps running: without an inbox, the sender's
   * retry is a duplicate if it succeeds; with an inbox, its result counts only within `graceMs`.
   */
  readonly signal: AbortSignal
  /** The verified bytes. */
  readonly rawBody: Uint8Array
  /** Index of the matching secret in the list. Above 0, a rotation is in progress. */
  readonly secretIndex: number
  /** The tenant whose secret signed it, if the secret function returned a `scope`. */
  readonly scope: string | undefined
  /**
   * The host's object: the request (Fastify, Express, node), the ctx (Koa), or the second argument of a fetch handler (by
   * default the `Request`). Absent when an inbox runs the handler.
   */
  readonly context: Context | undefined
}
