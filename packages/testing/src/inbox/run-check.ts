import { InboxCheckContext, NotApplicable } from './check-context.ts'
import type { InboxCheckDefinition } from './check-definition.ts'
import type { InboxCheckResult, InboxTarget } from './target.ts'

/**
 * Runs one check on one engine, on separate storage, and closes the inboxes it opened.
 *
 * @throws {Error} the engine breaks the rule.
 */
export async function runInboxCheck(definition: InboxCheckDefinition, target: InboxTarget): Promise<InboxCheckResult> {
  const storage = await target.createStorage()
  const context = new InboxCheckContext(storage, target)
  try {
    await definition.run(context)
    return { cell: context.missing.length === 0 ? 'pass' : 'pass without', missing: context.missing }
  } catch (error) {
    if (error instanceof NotApplicable) return { cell: 'not applicable', missing: [error.capability] }
    throw error
  } finally {
    await context.close()
    await storage.dispose?.()
  }
}
