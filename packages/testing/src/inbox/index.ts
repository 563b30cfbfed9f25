import { attemptChecks } from './checks/attempts.ts'
import { capabilityChecks } from './checks/capabilities.ts'
import { closingChecks } from './checks/closing.ts'
import { leaseChecks } from './checks/leases.ts'
import { listingChecks } from './checks/listing.ts'
import { replayingChecks } from './checks/replaying.ts'
import { storingChecks } from './checks/storing.ts'
import { runInboxCheck } from './run-check.ts'
import type { InboxCheckResult, InboxTarget } from './target.ts'

/** A rule about inboxes, as data. Runs in any test runner, against any engine. */
export interface InboxCheck {
  /** Stable across releases. */
  readonly id: string
  /** The rule, in the terms of RFC 2119. */
  readonly name: string
  /**
   * Checks the rule on an engine, on separate storage, and closes the inboxes it opened.
   *
   * @param target the engine under test.
   * @returns whether the engine passed, and what it cannot do.
   * @throws {Error} the engine breaks the rule.
   */
  run(target: InboxTarget): Promise<InboxCheckResult>
}

/**
 * Every rule about inboxes that can be checked in one process. An engine that passes all checks behaves like the engines of
 * this library, within its `capabilities`.
 *
 * @example
 * for (const check of inboxChecks) it(`${check.id} ${check.name}`, () => check.run(myEngine))
 */
export const inboxChecks: readonly InboxCheck[] = [
  ...storingChecks,
  ...attemptChecks,
  ...leaseChecks,
  ...replayingChecks,
  ...listingChecks,
  ...closingChecks,
  ...capabilityChecks,
].map((definition) => ({
  id: definition.id,
  name: definition.name,
  run: (target) => runInboxCheck(definition, target),
}))

export { createInboxConsumer } from './inbox-consumer.ts'
export { createInboxEvent } from './inbox-event.ts'
export { untilInboxStats } from './inbox-stats.ts'
export type { InboxCheckOptions, InboxCheckResult, InboxStorage, InboxTarget } from './target.ts'
