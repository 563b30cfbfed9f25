import { bodyChecks } from './checks/body.ts'
import { closingChecks } from './checks/closing.ts'
import { encodingChecks } from './checks/encoding.ts'
import { envelopeChecks } from './checks/envelope.ts'
import { handlingChecks } from './checks/handling.ts'
import { headerChecks } from './checks/headers.ts'
import { lengthChecks } from './checks/length.ts'
import { methodChecks } from './checks/method.ts'
import { secretChecks } from './checks/secret.ts'
import { signatureChecks } from './checks/signature.ts'
import { sourceChecks } from './checks/source.ts'
import type { Condition } from './conditions.ts'
import { runCheck } from './run-check.ts'
import type { ConformanceResult, ConformanceTarget } from './target.ts'

/** A rule about how deliveries are answered, as data. Runs in any test runner, against any host. */
export interface ConformanceCheck {
  /** Stable across releases. */
  readonly id: string
  /** The rule, in the terms of RFC 2119. */
  readonly name: string
  /**
   * Checks the rule on a host, with a separate server.
   *
   * @param target the host under test.
   * @param condition how the host is set up, or how the delivery is sent. Default: `'bare'`.
   * @returns who answered, or why the rule does not apply.
   * @throws {ConformanceFailure} the host breaks the rule.
   */
  run(target: ConformanceTarget, condition?: Condition): Promise<ConformanceResult>
}

/**
 * Every rule about how deliveries are answered, from the cheapest step to the last. An adapter that passes all checks under
 * all `conditions` answers like the adapters of this library.
 *
 * @example
 * for (const check of conformanceChecks) it(check.name, () => check.run(myAdapter))
 */
export const conformanceChecks: readonly ConformanceCheck[] = [
  ...methodChecks,
  ...sourceChecks,
  ...encodingChecks,
  ...lengthChecks,
  ...headerChecks,
  ...secretChecks,
  ...signatureChecks,
  ...bodyChecks,
  ...envelopeChecks,
  ...handlingChecks,
  ...closingChecks,
].map((definition) => ({
  id: definition.id,
  name: definition.name,
  run: (target, condition = 'bare') => runCheck(definition, target, condition),
}))

export { conformancePath } from './check-context.ts'
export { type Arrangement, type Condition, conditions } from './conditions.ts'
export { ConformanceFailure } from './conformance-failure.ts'
export type {
  ConformanceResult,
  ConformanceServer,
  ConformanceTarget,
  HostException,
  NotApplicable,
} from './target.ts'
