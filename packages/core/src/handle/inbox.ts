import { asWebhookError, WebhookError } from '../errors.ts'
import type { WebhookEvent } from '../events.ts'
import type { AttemptFacts } from '../report/reporter.ts'
import type { DispatchResult } from './handlers.ts'

/**
 * What a receiver needs of an inbox: it keeps an event so that it survives a crash, and runs its handlers later. The
 * package `@scrapenest-webhooks/inbox` has the whole contract, with the states of an event.
 */
export interface InboxConnection {
  /**
   * Keeps an event, once per (`name`, `scope`, `eventId`). Resolves only when the event would survive a crash of this machine.
   * Rejects when it could not be kept; the sender is then asked to retry.
   */
  put(event: InboxEvent): Promise<'stored' | 'duplicate'>
  /**
   * Opens the store, so that the first `put` finds it ready, and starts processing if the consumer has a processor.
   *
   * Resolves after the first attempt to open the store. If the store is unavailable, that is reported, and opening is
   * retried until it succeeds or the consumer is closed.
   *
   * @throws {Error} what no retry can help, such as a missing right: a `ConfigurationError`, or an error with one as its
   * cause. Opening is still retried, because an operator may fix it.
   */
  start(consumer: InboxConsumer): Promise<void>
  /** Rejects when the store does not work. Called for probes only. */
  check?(): Promise<void>
  /**
   * Stops claiming, waits for running handlers, aborts the rest and gives their events back, all within `graceMs`. With
   * a `consumer`, only that one's; the store is closed with its last consumer. Called again, it can only shorten the
   * time.
   */
  close(options: { readonly graceMs: number; readonly consumer?: InboxConsumer | undefined }): Promise<void>
}

/** What works with an inbox: a receiver that puts, a worker that processes, or one that does both. */
export interface InboxConsumer {
  /** The receiver's name: a processor gets the events of this name only. */
  readonly name: string
  /** Absent in a process that stores events and leaves the handlers to another. */
  readonly process?: InboxProcessor | undefined
  /**
   * Reports a failure to the log and `onError` of the consumer: what `process` rejected with, handlers that were too slow,
   * an event that is dead, an unavailable store. Never throws.
   *
   * @param attempt which attempt of the event failed, and whether there will be another.
   */
  report(error: unknown, event?: InboxEvent, attempt?: AttemptFacts): void
  /** Logs what an operator should know although nothing failed, such as a store that is available again. Never throws. */
  note?(message: string): void
}

/** A verified event on its way into an inbox: what is needed to process it later, and to prove what was received. */
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
  /** Counted from 1, when the attempt begins: one that killed its process counts too. */
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
  // Custom inboxes may return undefined. An event that may not be kept is not acknowledged.
  throw new WebhookError('store_unavailable', '`put` returned neither stored nor duplicate.')
}
