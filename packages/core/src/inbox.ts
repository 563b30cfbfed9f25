import type { DispatchResult } from './dispatcher.ts'

/**
 * What a receiver asks of an inbox: to keep an event so that it survives a crash, and to run its handlers later.
 * The package `inbox` has the whole contract, with the states of an event; here is only the part a receiver calls.
 */
export interface InboxConnection {
  /**
   * Keeps an event, once per (`name`, `eventId`). Resolves only when the event would survive a crash of this machine;
   * rejects when it could not be kept, and the sender is asked to come again.
   */
  put(event: InboxEvent): Promise<'stored' | 'duplicate'>
  /**
   * Opens the store, so that the first `put` finds it ready, and begins to process where the user has a processor. When
   * the store cannot be opened it rejects, and goes on trying: the user stays known until it is closed.
   */
  start(user: InboxUser): Promise<void>
  /**
   * Stops claiming, waits for running handlers up to `graceMs`, aborts the rest, and gives their events back. With a
   * `user`, only that one's; the store is closed with its last user.
   */
  close(options: { readonly graceMs: number; readonly user?: InboxUser | undefined }): Promise<void>
}

/** Who works with an inbox: a receiver that puts, a worker that processes, or one that does both. */
export interface InboxUser {
  /** The receiver's name: a processor is given the events of this name only. */
  readonly name: string
  /** Absent in a process that stores events and leaves the handlers to another. */
  readonly process?: InboxProcessor | undefined
  /**
   * Tells the user's log and `onError` of what no handler threw: a handler that was not done in time, an event that is
   * dead, a store out of reach. Never throws.
   */
  report(error: unknown, event?: InboxEvent): void
}

/** A verified event on its way into an inbox: everything that is needed to process it later, and to prove what came. */
export interface InboxEvent {
  /** The receiver's name: ids are unique within it. */
  readonly name: string
  readonly eventId: string
  readonly eventType: string
  /** `svix-id`. */
  readonly messageId: string
  readonly sentAt: Date
  readonly receivedAt: Date
  /** The three signed headers, as received. */
  readonly signedHeaders: Readonly<Record<string, string>>
  /** The bytes that were verified. */
  readonly body: Uint8Array
  readonly secretIndex: number
}

/** One run of an event's handlers. */
export interface InboxAttempt {
  /** Counted from 1, and counted when it begins: an attempt that killed its process counts too. */
  readonly attempt: number
  /** Aborted at the handler's time limit, when the lease is lost, and when the inbox closes. */
  readonly signal: AbortSignal
}

/**
 * Runs the handlers of a stored event. Rejects with `handler_failed` or `retry_later` (try again), `permanent_failure`,
 * `schema_mismatch` or `envelope_invalid` (dead at once). Handler errors have been reported when it rejects.
 */
export type InboxProcessor = (event: InboxEvent, attempt: InboxAttempt) => Promise<DispatchResult>
