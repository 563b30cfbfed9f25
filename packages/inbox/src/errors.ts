import { isWebhookError, WebhookError } from '@scrapenest-webhooks/core'
import { withPage } from '@scrapenest-webhooks/core/adapter'

/** Why a store is unavailable. Once the fault is fixed, no restart is needed. */
export type InboxFault =
  | 'cannot_open'
  | 'corrupt'
  | 'full'
  | 'io_error'
  | 'locked'
  | 'log_deleted'
  | 'moved'
  | 'read_only'

/** The store of an inbox is unavailable. A receiver answers 503, so the sender keeps the event and retries. */
export class InboxUnavailableError extends WebhookError {
  override readonly name = 'InboxUnavailableError'
  readonly fault: InboxFault
  constructor(fault: InboxFault, message: string, cause?: unknown) {
    super('store_unavailable', message, { cause })
    this.fault = fault
  }
}

/** The handlers of a stored event did not finish within `handlerTimeoutMs`. */
export class HandlerOverdueError extends WebhookError {
  override readonly name = 'HandlerOverdueError'
  constructor(timeoutMs: number) {
    super(
      'handler_timeout',
      `The handlers did not finish within ${timeoutMs} ms, and their signal was aborted. Raise handlerTimeoutMs, or split the work.`,
    )
  }
}

/** The lease of a running attempt was lost: another worker may be handling the event. */
export class LeaseLostError extends WebhookError {
  override readonly name = 'LeaseLostError'
  constructor() {
    super(
      'event_in_progress',
      'The lease on this event expired, and another worker may be handling it. The result of this attempt is ignored.',
    )
  }
}

/** An event is dead and will not be retried. Passed to `onError` and logged. */
export class DeadEventError extends Error {
  override readonly name = 'DeadEventError'
  readonly code = 'event_dead'
  get library(): 'scrapenest-webhooks' {
    return 'scrapenest-webhooks'
  }
  constructor(attempts: number, code: string) {
    const tried = attempts === 1 ? 'one attempt' : `${attempts} attempts`
    const text = `The event is dead after ${tried}; the last failed with ${code}. Inspect it with inbox.get, and run it again with inbox.replay.`
    super(withPage(text, 'event_dead'))
  }
}

/** The lease expired before the result of the attempt was recorded: the process died, or stalled past the lease. */
export class LeaseEndedError extends Error {
  override readonly name = 'LeaseEndedError'
  readonly code = 'lease_ended'
  get library(): 'scrapenest-webhooks' {
    return 'scrapenest-webhooks'
  }
  constructor() {
    const text = 'The process that was handling the event died or stalled past its lease. The attempt counts as failed.'
    super(withPage(text, 'lease_ended'))
  }
}

/**
 * Any error from a store means that the store is unavailable. Without one of our codes, it would be taken for a handler's.
 */
export function toStoreError(error: unknown): WebhookError {
  return isWebhookError(error) ? error : new WebhookError('store_unavailable', undefined, { cause: error })
}

/** Whether retries fail until an operator changes something: the error, or its cause, is a `ConfigurationError`. */
export function isPermanent(error: unknown): boolean {
  if (!isWebhookError(error)) return false
  return (
    error.code === 'configuration_invalid' ||
    (isWebhookError(error.cause) && error.cause.code === 'configuration_invalid')
  )
}
