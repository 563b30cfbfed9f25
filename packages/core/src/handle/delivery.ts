/** The second argument of a handler: facts about the delivery of the event. */
export interface Delivery<Context = unknown> {
  /** `svix-id`: the same for every delivery of this message. */
  readonly messageId: string
  /** When the sender signed this delivery. */
  readonly sentAt: Date
  readonly receivedAt: Date
  /** The number of this attempt, counted by an inbox; 1 without one. */
  readonly attempt: number
  /**
   * Aborted when the receiver or worker closes; without an inbox also at `replyTimeoutMs`; with one also at
   * `handlerTimeoutMs`, and when the lease is lost. A handler that ignores it keeps running. Without an inbox, if it
   * succeeds, the sender's retry is a duplicate; with one, its result counts only within `graceMs`.
   */
  readonly signal: AbortSignal
  /** The bytes that were verified. */
  readonly rawBody: Uint8Array
  /** Index of the matching secret in the list. Above 0, the first did not match: a rotation is under way. */
  readonly secretIndex: number
  /** Which tenant's secret signed it, if the secret function returned a `scope`. */
  readonly scope: string | undefined
  /**
   * The host's own object: its request (Fastify, Express, node), its ctx (Koa), or the second argument of a fetch handler
   * (the `Request` if there is none). Absent when an inbox runs the handler.
   */
  readonly context: Context | undefined
}
