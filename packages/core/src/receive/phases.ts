import type { PlainErrorCode } from '../errors.ts'

export type Phase = 'headers' | 'secret' | 'body' | 'verify' | 'store' | 'handlers' | 'ending'

interface PhaseRow {
  /**
   * The reply when `replyTimeoutMs` passes in this phase. Absent in phases that are synchronous, where it cannot pass,
   * and in `ending`, where the reply is the handlers' result.
   */
  readonly lateCode?: PlainErrorCode
  /**
   * Whether the work of this phase goes on after an early reply. `close()` waits for such work until its budget ends;
   * deliveries in the other phases are answered 503 `receiver_closing` at once, and nothing more is done with them.
   */
  readonly outlivesReply: boolean
  /** Whether the body has been read, so that the connection can be reused. */
  readonly isBodyRead: boolean
}

/**
 * The phases of one delivery, in order. The reply is sent once. If it is sent early, the work of `store`, `handlers`
 * and `ending` goes on and the delivery stays open until it ends; in the other phases the delivery is over. Early
 * replies are not listed with the phases below.
 *
 * The reply deadline: `replyTimeoutMs` after the call of `receive`, the delivery is answered with the `lateCode` of its
 * phase.
 * 1. In `secret` and `body` that is the end: what arrives later is dropped, and the retry starts over.
 * 2. In `store`, a `put` that succeeds late stays, so the retry is a duplicate; a claim that succeeds late is released.
 * 3. In `handlers`, the reply is 503 `handler_timeout` and the handlers' `signal` is aborted. They keep running under
 *    their claim. Meanwhile a retry gets 409 `event_in_progress`. Once they have succeeded, a retry is a duplicate;
 *    once they have failed, the claim is released and a retry runs them again.
 * 4. In `ending`, the handlers' result is sent without waiting for the store.
 */
export const phases: Readonly<Record<Phase, PhaseRow>> = {
  /** Synchronous checks. Ends with 400, 403, 405, 413, 415 or 503, or continues to `secret`. */
  headers: { outlivesReply: false, isBodyRead: false },
  /**
   * The secret function runs. Ends with 500 or 503, or continues to `body`. Without a secret it continues too; `verify`
   * then refuses it.
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
