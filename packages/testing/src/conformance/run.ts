import { Bed, ConformanceFailure } from './bed.ts'
import type { Scenario } from './checks.ts'
import type { Condition, ConformanceResult, ConformanceTarget } from './target.ts'

/** The conditions that every check runs under. */
export const conditions: readonly Condition[] = [
  'bare',
  'parser first',
  'captured raw body',
  'compressed',
  'chunked mid-code-point',
  'oversized',
  'slow',
  'aborted',
]

/**
 * Runs one scenario on one host under one condition, with its own server.
 *
 * @throws {ConformanceFailure} a reply, or what the handlers saw, breaks the rule.
 */
export async function runScenario(
  scenario: Scenario,
  target: ConformanceTarget,
  condition: Condition,
): Promise<ConformanceResult> {
  const reason = scenario.notUnder?.[condition]
  if (reason !== undefined) return { cell: 'not applicable', reason }
  const exception = target.exceptions?.find(
    ({ check, condition: under }) => check === scenario.id && under === condition,
  )
  if (typeof exception?.because === 'string') return { cell: 'not applicable', reason: exception.because }
  const bed = new Bed(condition)
  const server = await target.listen(bed.proxy, bed.arrangement)
  if ('notApplicable' in server) return { cell: 'not applicable', reason: server.notApplicable }
  bed.attach(server)
  try {
    if (exception !== undefined) return await expectHostsAnswer(scenario, bed, exception.because as number)
    await scenario.play(bed)
    return { cell: 'ours' }
  } finally {
    await server.close()
  }
}

/** An exception is checked too: the host must answer with that status, and no handler may run. */
async function expectHostsAnswer(scenario: Scenario, bed: Bed, status: number): Promise<ConformanceResult> {
  try {
    await scenario.play(bed)
  } catch (error) {
    if (error instanceof ConformanceFailure && error.message.includes(`got ${status} `) && bed.events.length === 0) {
      return { cell: 'host', status }
    }
    throw error
  }
  throw new ConformanceFailure(`Expected the host itself to answer ${status}, but the receiver answered.`)
}
