import type { CheckContext } from './check-context.ts'
import type { NotUnder } from './not-under.ts'

/** One rule and how to check it. `run` is the same under every condition: the context knows what a condition changes. */
export interface CheckDefinition {
  /** Stable across releases. */
  readonly id: string
  /** The rule, in the terms of RFC 2119. */
  readonly name: string
  /** @throws {ConformanceFailure} a reply, or what the handlers saw, breaks the rule. */
  readonly run: (context: CheckContext) => Promise<void>
  readonly notUnder?: NotUnder
}
