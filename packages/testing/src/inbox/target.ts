import type { InboxUnderTest } from './contract.ts'

/** An engine under test: how an empty place for events is made, and an inbox on it. */
export interface InboxTarget {
  readonly name: string
  /** Makes an empty place: a file, a schema, a prefix of keys. Called once for each check. */
  createPlace(): InboxPlace | Promise<InboxPlace>
  /** How long to wait for what the engine should come to, in milliseconds. @default 5000 */
  readonly timeoutMs?: number
}

/** Where the events of one check are kept. */
export interface InboxPlace {
  /**
   * Gives an inbox on this place. Called twice by the checks of `isDurable` and `isShared`, as two processes would; the
   * checks close what they were given.
   */
  open(options: InboxCheckOptions): InboxUnderTest
  /** Deletes the place. Called when its inboxes are closed. */
  dispose?(): Promise<void> | void
}

/** The options of an inbox that checks set: those of `InboxOptions` in `@scrapenest-webhooks/inbox`, with its defaults. */
export interface InboxCheckOptions {
  /** The delay before the next attempt, in milliseconds. */
  readonly backoff?: (failedAttempts: number) => number
  readonly concurrency?: number
  readonly graceMs?: number
  readonly handlerTimeoutMs?: number
  readonly keepPayload?: boolean
  readonly leaseMs?: number
  readonly maxAttempts?: number
  /** The clock, in milliseconds since 1970. Given only where `canTakeClock` is not `false`. */
  readonly now?: () => number
}

/**
 * What came of one check that did not fail:
 * - `pass`: the engine does all of it.
 * - `pass without`: the engine says that it cannot do some of it, and refuses it, or the check has asked for less.
 * - `not applicable`: the engine says that it cannot do it at all.
 */
export interface InboxCheckResult {
  readonly cell: 'pass' | 'pass without' | 'not applicable'
  /** What the engine cannot do, as `attempts: every` or `isShared`. Empty for `pass`. */
  readonly missing: readonly string[]
}
