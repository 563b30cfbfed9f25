// Without `@ts-ignore`, applications that check declarations but do not install the inbox could not compile.
// biome-ignore lint/suspicious/noTsIgnore: ts-expect-error would fail if the inbox is installed.
/** @ts-ignore */
import type { Inbox, InboxOptions } from '@scrapenest-webhooks/inbox'

/** An engine under test. Creates empty storage for events and opens inboxes on it. */
export interface InboxTarget {
  readonly name: string
  /** Creates empty storage: a file, a schema, a key prefix. Called once per check. */
  createStorage(): InboxStorage | Promise<InboxStorage>
  /**
   * How long to wait for an expected state, in milliseconds.
   * @default 5000: a slower engine fails the check
   */
  readonly timeoutMs?: number
}

/** Where the events of one check are stored. */
export interface InboxStorage {
  /**
   * Opens an inbox on this storage. The checks of `isDurable` and `isShared` call it twice, as two processes would. Every
   * inbox is closed at the end of its check.
   */
  open(options: InboxCheckOptions): Inbox
  /** Deletes the storage. Called after its inboxes are closed. */
  dispose?(): Promise<void> | void
}

/** The options that checks set. `now` is set only if `canTakeClock` is not `false`. */
export type InboxCheckOptions = Pick<
  InboxOptions,
  'backoff' | 'concurrency' | 'graceMs' | 'handlerTimeoutMs' | 'keepPayload' | 'leaseMs' | 'maxAttempts' | 'now'
>

/**
 * The result of one check that did not fail:
 * - `pass`: the engine follows the whole rule.
 * - `pass without`: the engine declares that it lacks a capability, so the check required less.
 * - `not applicable`: the engine declares that it lacks the capability that the rule is about.
 */
export interface InboxCheckResult {
  readonly cell: 'pass' | 'pass without' | 'not applicable'
  /** The capabilities that the engine lacks, such as `attempts: every` or `isShared`. Empty for `pass`. */
  readonly missing: readonly string[]
}
