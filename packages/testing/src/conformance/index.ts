import { scenarios } from './checks.ts'
import { runScenario } from './run.ts'
import type { Condition, ConformanceResult, ConformanceTarget } from './target.ts'

/** One rule of how a receiver answers, as data: run it from any test runner, against any host. */
export interface ConformanceCheck {
  /** Stable across releases. */
  readonly id: string
  /** The rule, with the words of RFC 2119. */
  readonly name: string
  /**
   * Tries the rule on a host, with a server of its own.
   *
   * @param condition how the host is arranged or the delivery is sent. Default: `bare`.
   * @throws {ConformanceFailure} when the host breaks the rule.
   */
  run(target: ConformanceTarget, condition?: Condition): Promise<ConformanceResult>
}

/**
 * Every rule of how deliveries are answered. An adapter that passes them all, under all `conditions`, answers like ours.
 *
 * @example
 * for (const check of conformanceChecks) it(check.name, () => check.run(myAdapter))
 */
export const conformanceChecks: readonly ConformanceCheck[] = scenarios.map((scenario) => ({
  id: scenario.id,
  name: scenario.name,
  run: (target, condition = 'bare') => runScenario(scenario, target, condition),
}))

export { ConformanceFailure, conformancePath } from './bed.ts'
export { conditions } from './run.ts'
export type {
  Arrangement,
  Condition,
  ConformanceResult,
  ConformanceServer,
  ConformanceTarget,
  HostException,
  NotApplicable,
} from './target.ts'
