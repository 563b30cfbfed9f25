/** What a handler gets besides the event: facts about the delivery that brought it. */
export interface Delivery<Context = unknown> {
  /** `svix-id`: the same for every delivery of this message. */
  readonly messageId: string
  /** When the sender signed this delivery. */
  readonly sentAt: Date
  readonly receivedAt: Date
  /** Which run of the handlers this is, counted by an inbox; 1 without one. */
  readonly attempt: number
  /**
   * Aborted when the result no longer matters to the sender: at `replyTimeoutMs` without an inbox, at
   * `handlerTimeoutMs` with one, and when the receiver closes. A handler that ignores it keeps running; if it succeeds,
   * the sender's retry is a duplicate.
   */
  readonly signal: AbortSignal
  /** The bytes that were verified. */
  readonly rawBody: Uint8Array
  /** Position of the matching secret in the list. Above 0, it is not the first one: a rotation is under way. */
  readonly secretIndex: number
  /** Which tenant's secret signed it, if the secret function returned a `scope`. */
  readonly scope: string | undefined
  /**
   * What the host passes: its request (Fastify, Express, node), its ctx (Koa), or the second argument of a fetch
   * handler (the `Request` without one). Absent when an inbox runs the handler.
   */
  readonly context: Context | undefined
}
