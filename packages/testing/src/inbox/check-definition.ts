import type { InboxCheckContext } from './check-context.ts'

/** One rule and its check, which gets separate storage. */
export interface InboxCheckDefinition {
  /** Stable across releases. */
  readonly id: string
  /** The rule, in the terms of RFC 2119. */
  readonly name: string
  /** @throws {Error} the engine breaks the rule. */
  readonly run: (context: InboxCheckContext) => Promise<void>
}
