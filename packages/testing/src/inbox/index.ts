import { playOn } from './bed.ts'
import { attempts } from './checks/attempts.ts'
import { capabilities } from './checks/capabilities.ts'
import { closing } from './checks/closing.ts'
import { leases } from './checks/leases.ts'
import { looking } from './checks/looking.ts'
import { replaying } from './checks/replaying.ts'
import { storing } from './checks/storing.ts'
import type { InboxCheckResult, InboxTarget } from './target.ts'

/** One rule of what an inbox does, as data: run it from any test runner, against any engine. */
export interface InboxCheck {
  /** Stable across releases. */
  readonly id: string
  /** The rule, with the words of RFC 2119. */
  readonly name: string
  /**
   * Tries the rule on an engine, with a place of its own, and closes what it opened.
   *
   * @throws {Error} when the engine breaks the rule.
   */
  run(target: InboxTarget): Promise<InboxCheckResult>
}

/**
 * Every rule of the inbox that can be seen in one process. An engine that passes them all behaves as ours do, and does
 * what its `capabilities` say.
 *
 * @example
 * for (const check of inboxChecks) it(`${check.id} ${check.name}`, () => check.run(myEngine))
 */
export const inboxChecks: readonly InboxCheck[] = [
  ...storing,
  ...attempts,
  ...leases,
  ...replaying,
  ...looking,
  ...closing,
  ...capabilities,
].map((scenario) => ({ id: scenario.id, name: scenario.name, run: (target) => playOn(target, scenario) }))

export type {
  InboxUnderTest,
  InboxUnderTestAttempt,
  InboxUnderTestCapabilities,
  InboxUnderTestFilter,
  InboxUnderTestRecord,
  InboxUnderTestState,
  InboxUnderTestStats,
  InboxUnderTestSummary,
} from './contract.ts'
export { createInboxConsumer, createInboxEvent, untilInboxStats } from './fixtures.ts'
export type { InboxCheckOptions, InboxCheckResult, InboxPlace, InboxTarget } from './target.ts'
