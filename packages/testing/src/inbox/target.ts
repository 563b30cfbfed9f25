// Without `@ts-ignore`, an application that checks declarations and has no inbox could not compile against this package.
// biome-ignore lint/suspicious/noTsIgnore: an expected error would itself be an error where the inbox is installed.
/** @ts-ignore */
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'

/** An engine under test: how to create an empty place for events, and open inboxes on it. */
export interface InboxTarget {
  readonly name: string
  /** Creates an empty place: a file, a schema, a key prefix. Called once per check. */
  createPlace(): InboxPlace | Promise<InboxPlace>
  /** How long to wait for an expected state, in milliseconds. @default 5000 */
  readonly timeoutMs?: number
}

/** Where the events of one check are stored. */
export interface InboxPlace {
  /**
   * Opens an inbox on this place. The checks of `isDurable` and `isShared` call it twice, as two processes would. The
   * checks close every inbox they open.
   */
  open(options: InboxCheckOptions): Inbox
  /** Deletes the place. Called after its inboxes have been closed. */
  dispose?(): Promise<void> | void
}

/** The options that checks set. `now` is set only if `canTakeClock` is not `false`. */
export type InboxCheckOptions = Pick<
  InboxOptions,
  'backoff' | 'concurrency' | 'graceMs' | 'handlerTimeoutMs' | 'keepPayload' | 'leaseMs' | 'maxAttempts' | 'now'
>

/**
 * The result of one check that did not fail:
 * - `pass`: the engine does all of it.
 * - `pass without`: the engine declares that it does less, and the check required less.
 * - `not applicable`: the engine declares that it cannot do this at all.
 */
export interface InboxCheckResult {
  readonly cell: 'pass' | 'pass without' | 'not applicable'
  /** What the engine cannot do, such as `attempts: every` or `isShared`. Empty for `pass`. */
  readonly missing: readonly string[]
}
