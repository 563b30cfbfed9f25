import type { PlainErrorCode } from '../errors.ts'

/** How far a delivery has progressed from request to reply. */
export type Phase = 'headers' | 'secret' | 'body' | 'verify' | 'store' | 'handlers' | 'ending'

interface PhaseRow {
  /**
   * The reply if `replyTimeoutMs` passes in this phase. Absent in synchronous phases, where it cannot pass, and in
   * `ending`, where the reply is the handlers' result.
   */
  readonly lateCode?: PlainErrorCode
  /**
   * Whether the work of this phase continues after an early reply. `close()` waits for such work until its budget ends.
   * In other phases, it answers 503 `receiver_closing` immediately and drops the delivery.
   */
  readonly outlivesReply: boolean
  /** Whether the body has been read, so that the connection can be reused. */
  readonly isBodyRead: boolean
}

/**
 * The phases of a delivery, in order. The reply is sent once. After an early reply, the work of `store`, `handlers` and
 * `ending` continues and the delivery stays open until it ends. In the other phases, an early reply ends the delivery.
 * The comments below list only the regular endings.
 *
 * At the reply deadline, `replyTimeoutMs` after the call of `receive`, the delivery is answered with the `lateCode` of its
 * phase:
 * 1. In `secret` and `body`, the delivery ends. A late secret or body is ignored, and the sender's retry starts over.
 * 2. In `store`, a late `put` is kept, so the retry is a duplicate. A late claim is released.
 * 3. In `handlers`, the reply is 503 `handler_timeout` and the handlers' `signal` is aborted. They keep running under their
 *    claim, and a retry gets 409 `event_in_progress`. If they succeed, a later retry is a duplicate. If they fail, the
 *    claim is released and a later retry runs them again.
 * 4. In `ending`, the handlers' result is sent without waiting for the store.
 */
export const phases: Readonly<Record<Phase, PhaseRow>> = {
  /** Synchronous checks. Ends with 400, 403, 405, 413, 415 or 503, or continues to `secret`. */
  headers: { outlivesReply: false, isBodyRead: false },
  /**
   * The secret function runs. Ends with 500 or 503, or continues to `body`. Continues without a secret too; `verify` then
   * refuses the delivery.
   */
  secret: { lateCode: 'secret_unavailable', outlivesReply: false, isBodyRead: false },
  /** The body is read. Ends with 400, 413, 415 or 500, or continues to `verify` with the bytes. */
  body: { lateCode: 'body_timeout', outlivesReply: false, isBodyRead: false },
  /** Synchronous: signature and envelope. Ends with 400, or continues to `store` with an event. */
  verify: { outlivesReply: false, isBodyRead: true },
  /** The event is claimed, or put into the inbox. Ends with 202, 409 or 503, or continues to `handlers`. */
  store: { lateCode: 'store_unavailable', outlivesReply: true, isBodyRead: true },
  /** Schema and handlers run, under a claim. Continues to `ending` with their result. */
  handlers: { lateCode: 'handler_timeout', outlivesReply: true, isBodyRead: true },
  /** The claim is completed or released. Ends with the handlers' result; if the store fails, the claim expires. */
  ending: { outlivesReply: true, isBodyRead: true },
}
