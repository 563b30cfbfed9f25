import { asWebhookError, WebhookError } from '../errors.ts'
import type { WebhookEvent } from '../events.ts'
import type { AttemptFacts } from '../report/reporter.ts'
import type { DispatchResult } from './handlers.ts'

/**
 * The part of an inbox that a receiver uses: it stores events durably and runs their handlers later. The package
 * `@scrapenest-webhooks/inbox` has the full contract, with the states of an event.
 */
export interface InboxConnection {
  /**
   * Stores an event, once per (`name`, `scope`, `eventId`). Resolves once the event would survive a crash of this machine.
   * Rejects if the event could not be stored; the sender is then asked to retry.
   */
  put(event: InboxEvent): Promise<'stored' | 'duplicate'>
  /**
   * Opens the store, so that it is ready for the first `put`, and starts processing if the consumer has a processor.
   *
   * Resolves after the first attempt to open the store. If the store is unavailable, reports it and retries until the store
   * opens or the consumer is closed.
   *
   * @throws {Error} for a failure that retrying cannot fix, such as a missing permission: a `ConfigurationError`, or an
   * error with one as its cause. Opening is still retried, because an operator may fix it.
   */
  start(consumer: InboxConsumer): Promise<void>
  /** Rejects if the store is unavailable. Called for probes only. */
  check?(): Promise<void>
  /**
   * Stops claiming, waits for running handlers, aborts the rest and releases their events, all within `graceMs`
   * (milliseconds). With a `consumer`, only for that consumer; the store closes with its last consumer. Another call can
   * only shorten the time.
   */
  close(options: { readonly graceMs: number; readonly consumer?: InboxConsumer | undefined }): Promise<void>
}

/** A user of an inbox: a receiver that stores events, a worker that processes them, or a receiver that does both. */
export interface InboxConsumer {
  /** The receiver's name. The processor gets only events with this name. */
  readonly name: string
  /** Absent in a process that only stores events for another process to handle. */
  readonly process?: InboxProcessor | undefined
  /**
   * Reports a failure to the consumer's log and `onError`: a rejection of `process`, handlers that were too slow, a dead
   * event, an unavailable store. Never throws.
   *
   * @param event absent if the failure is not about one event.
   * @param attempt which attempt of the event failed, and when the next one is due.
   */
  report(error: unknown, event?: InboxEvent, attempt?: AttemptFacts): void
  /** Logs something an operator should know that is not a failure, such as a store that is available again. Never throws. */
  note?(message: string): void
}

/** A verified event for an inbox, with everything needed to process it later and to prove what was received. */
export interface InboxEvent {
  /** The receiver's name. With `scope` and `eventId`, it identifies the event (`eventKey`). */
  readonly name: string
  /** The tenant whose secret signed it. Absent or empty without tenants. */
  readonly scope?: string | undefined
  /** The `event_id`, or the `svix-id` if the event has none. */
  readonly eventId: string
  readonly eventType: string
  /** `svix-id`. */
  readonly messageId: string
  /** When the sender signed the delivery. */
  readonly sentAt: Date
  /** When this server received the delivery. */
  readonly receivedAt: Date
  /** The three headers of the verified family, as received. */
  readonly signedHeaders: Readonly<Record<string, string>>
  /** The verified bytes. */
  readonly body: Uint8Array
  /** Index of the matching secret in the list. Above 0, a rotation is in progress. */
  readonly secretIndex: number
}

/** One run of an event's handlers. */
export interface InboxAttempt {
  /** The number of this attempt, from 1. Counted at its start, so an attempt that kills the process counts too. */
  readonly attempt: number
  /** Aborted at `handlerTimeoutMs`, when the lease is lost, and when the inbox closes. */
  readonly signal: AbortSignal
}

/**
 * Runs the handlers of a stored event. Rejects with `handler_failed` or `retry_later` (retried), or with
 * `permanent_failure`, `schema_mismatch` or `envelope_invalid` (dead immediately). The inbox passes the error to `report`.
 */
export type InboxProcessor = (event: InboxEvent, attempt: InboxAttempt) => Promise<DispatchResult>

/**
 * Puts a verified event into an inbox. Only the inbox decides what is a duplicate.
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
  // Custom inboxes may return undefined. An event that may be lost must not be acknowledged.
  throw new WebhookError('store_unavailable', "`put` returned neither 'stored' nor 'duplicate'.")
}
