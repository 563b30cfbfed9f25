import type { CheckContext } from './check-context.ts'
import type { NotUnder } from './not-under.ts'

/** One rule and its check. `run` is the same under every condition; the context applies the condition. */
export interface CheckDefinition {
  /** Stable across releases. */
  readonly id: string
  /** The rule, in the terms of RFC 2119. */
  readonly name: string
  /** @throws {ConformanceFailure} a reply or a handler call breaks the rule. */
  readonly run: (context: CheckContext) => Promise<void>
  readonly notUnder?: NotUnder
}
