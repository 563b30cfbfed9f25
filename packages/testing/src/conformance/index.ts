import { scenarios } from './checks.ts'
import { runScenario } from './run.ts'
import type { Condition, ConformanceResult, ConformanceTarget } from './target.ts'

/** One rule about how deliveries are answered, as data: runs in any test runner, against any host. */
export interface ConformanceCheck {
  /** Stable across releases. */
  readonly id: string
  /** The rule, in the terms of RFC 2119. */
  readonly name: string
  /**
   * Checks the rule on a host, with its own server.
   *
   * @param condition how the host is set up, or how the delivery is sent. @default 'bare'
   * @throws {ConformanceFailure} the host breaks the rule.
   */
  run(target: ConformanceTarget, condition?: Condition): Promise<ConformanceResult>
}

/**
 * Every rule about how deliveries are answered. An adapter that passes all of them, under all `conditions`, answers
 * like those of this library.
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
