import { CheckContext } from './check-context.ts'
import type { CheckDefinition } from './check-definition.ts'
import type { Condition } from './conditions.ts'
import { ConformanceFailure } from './conformance-failure.ts'
import type { ConformanceResult, ConformanceTarget } from './target.ts'

/**
 * Runs one check on one host under one condition, with a separate server.
 *
 * @throws {ConformanceFailure} a reply or a handler call breaks the rule.
 */
export async function runCheck(
  definition: CheckDefinition,
  target: ConformanceTarget,
  condition: Condition,
): Promise<ConformanceResult> {
  const reason = definition.notUnder?.[condition]
  if (reason !== undefined) return { cell: 'not applicable', reason }
  const exception = target.exceptions?.find(
    ({ check, condition: under }) => check === definition.id && under === condition,
  )
  if (typeof exception?.because === 'string') return { cell: 'not applicable', reason: exception.because }
  const context = new CheckContext(condition, target)
  const server = await target.listen(context.receiver, context.arrangement)
  if ('notApplicable' in server) return { cell: 'not applicable', reason: server.notApplicable }
  context.attach(server)
  try {
    if (exception !== undefined) return await expectHostReply(definition, context, exception.because as number)
    await definition.run(context)
    return { cell: 'ours' }
  } finally {
    await server.close()
  }
}

/** Checks an exception: the host must answer with that status, and no handler may run. */
async function expectHostReply(
  definition: CheckDefinition,
  context: CheckContext,
  status: number,
): Promise<ConformanceResult> {
  try {
    await definition.run(context)
  } catch (error) {
    const isHostReply = error instanceof ConformanceFailure && error.receivedStatus === status
    if (isHostReply && context.events.length === 0) return { cell: 'host', status }
    throw error
  }
  throw new ConformanceFailure(`Expected the host itself to answer ${status}, but the receiver answered.`)
}
