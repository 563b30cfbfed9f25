import { WebhookError } from '@scrapenest-webhooks/core'

/** Why a store cannot be used at the moment. All but `corrupt` end by themselves or by an operator's hand, without a restart. */
export type InboxFault = 'cannot_open' | 'corrupt' | 'full' | 'io_error' | 'locked' | 'moved' | 'read_only'

/** The store of an inbox cannot be used at the moment. A receiver answers 503, and the event stays the sender's. */
export class InboxUnavailableError extends WebhookError {
  override readonly name = 'InboxUnavailableError'
  readonly fault: InboxFault
  constructor(fault: InboxFault, message: string, cause?: unknown) {
    super('store_unavailable', message, { cause })
    this.fault = fault
  }
}

/** The handlers of a stored event were not done within `handlerTimeoutMs`. */
export class HandlerOverdueError extends WebhookError {
  override readonly name = 'HandlerOverdueError'
  constructor(timeoutMs: number) {
    super(
      'handler_timeout',
      `The handlers were not done within ${timeoutMs} ms, and their signal was aborted. Raise handlerTimeoutMs, or split the work.`,
    )
  }
}

/** The lease of a running attempt has ended: another worker may be handling the event by now. */
export class LeaseLostError extends WebhookError {
  override readonly name = 'LeaseLostError'
  constructor() {
    super(
      'event_in_progress',
      'The lease on this event has ended; another worker may be handling it. What this attempt does no longer counts.',
    )
  }
}

/** An event will not be tried again by itself. Told to `onError` and the log, so that no dead event is silent. */
export class DeadEventError extends Error {
  override readonly name = 'DeadEventError'
  constructor(attempts: number, code: string) {
    super(
      `The event is dead after ${attempts === 1 ? 'one attempt' : `${attempts} attempts`}; the last ended with ` +
        `${code}. It is kept: look at it with inbox.get, and run it again with inbox.replay.`,
    )
  }
}
