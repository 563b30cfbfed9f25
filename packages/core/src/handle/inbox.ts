import { asWebhookError, WebhookError } from '../errors.ts'
import type { WebhookEvent } from '../events.ts'
import type { AttemptFacts } from '../report/reporter.ts'
import type { DispatchResult } from './handlers.ts'

/**
 * The part of an inbox that a receiver needs: it stores events so that they survive a crash, and runs their handlers later.
 * The package `@scrapenest-webhooks/inbox` has the whole contract, with the states of an event.
 */
export interface InboxConnection {
  /**
   * Stores an event, once per (`name`, `scope`, `eventId`). Resolves only when the event would survive a crash of this
   * machine. Rejects if it could not be stored; the sender is then asked to retry.
   */
  put(event: InboxEvent): Promise<'stored' | 'duplicate'>
  /**
   * Opens the store, so that the first `put` finds it ready, and starts processing if the consumer has a processor.
   *
   * Resolves after the first attempt to open the store. If the store is unavailable, that is reported, and opening is
   * retried until it succeeds or the consumer is closed.
   *
   * @throws {Error} for a failure that no retry can fix, such as a missing permission: a `ConfigurationError`, or an error
   * with one as its cause. Opening is still retried, because an operator may fix it.
   */
  start(consumer: InboxConsumer): Promise<void>
  /** Rejects when the store is unavailable. Called for probes only. */
  check?(): Promise<void>
  /**
   * Stops claiming, waits for running handlers, aborts the rest and gives their events back, all within `graceMs`. With
   * a `consumer`, only those of that consumer; the store is closed when its last consumer has left. Another call can only
   * shorten the time.
   */
  close(options: { readonly graceMs: number; readonly consumer?: InboxConsumer | undefined }): Promise<void>
}

/** A user of an inbox: a receiver that stores events, a worker that processes them, or a receiver that does both. */
export interface InboxConsumer {
  /** The receiver's name. The processor gets only events of this name. */
  readonly name: string
  /** Absent in a process that only stores events and leaves the handlers to another. */
  readonly process?: InboxProcessor | undefined
  /**
   * Reports a failure to the log and `onError` of the consumer: what `process` rejected with, handlers that were too slow, a
   * dead event, an unavailable store. Never throws.
   *
   * @param attempt which attempt of the event failed, and whether there will be another.
   */
  report(error: unknown, event?: InboxEvent, attempt?: AttemptFacts): void
  /** Logs what an operator should know although nothing failed, such as a store that is available again. Never throws. */
  note?(message: string): void
}

/** A verified event for an inbox, with everything needed to process it later and to prove what was received. */
export interface InboxEvent {
  /** The receiver's name. With `scope` and `eventId` it identifies the event (`eventKey`). */
  readonly name: string
  /** Which tenant's secret signed it; absent or empty without tenants. */
  readonly scope?: string | undefined
  readonly eventId: string
  readonly eventType: string
  /** `svix-id`. */
  readonly messageId: string
  readonly sentAt: Date
  readonly receivedAt: Date
  /** The three headers of the family that was verified, as received. */
  readonly signedHeaders: Readonly<Record<string, string>>
  /** The bytes that were verified. */
  readonly body: Uint8Array
  readonly secretIndex: number
}

/** One run of an event's handlers. */
export interface InboxAttempt {
  /** The number of this attempt, from 1. Counted when it begins, so an attempt that killed its process counts too. */
  readonly attempt: number
  /** Aborted at the handler's time limit, when the lease is lost, and when the inbox closes. */
  readonly signal: AbortSignal
}

/**
 * Runs the handlers of a stored event. Rejects with `handler_failed` or `retry_later` (retry), `permanent_failure`,
 * `schema_mismatch` or `envelope_invalid` (dead at once). The inbox passes what it rejects with to `report`.
 */
export type InboxProcessor = (event: InboxEvent, attempt: InboxAttempt) => Promise<DispatchResult>

/**
 * Puts a verified event into an inbox, which alone decides what is a duplicate.
 *
 * @throws {WebhookError} `store_unavailable`
 */
export async function storeEvent(
  inbox: InboxConnection,
  event: WebhookEvent,
  facts: Omit<InboxEvent, 'eventId' | 'eventType'>,
): Promise<'accepted' | 'duplicate'> {
  let result: unknown
  try {
    result = await inbox.put({ ...facts, eventId: event.event_id, eventType: event.event_type })
  } catch (error) {
    throw asWebhookError('store_unavailable', error)
  }
  if (result === 'stored') return 'accepted'
  if (result === 'duplicate') return 'duplicate'
  // Custom inboxes may return undefined. An event that may not have been stored is not acknowledged.
  throw new WebhookError('store_unavailable', '`put` returned neither stored nor duplicate.')
}
