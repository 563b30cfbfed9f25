import type { Condition } from './conditions.ts'
import { ConformanceFailure } from './conformance-failure.ts'
import type { WireReply } from './send-request.ts'

/** The steps of a delivery, in order. The first one that refuses it decides the reply. */
const steps = [
  'method',
  'source',
  'encoding',
  'length',
  'headers',
  'secret',
  'body',
  'signature',
  'envelope',
  'handling',
] as const
export type Step = (typeof steps)[number]

/** The reply that a delivery must get, unless an earlier step refuses its condition. */
export interface Expectation {
  readonly at: Step
  readonly status: number
  readonly body: { readonly status: string } | { readonly error: string }
  readonly headers?: Readonly<Record<string, string>>
}

export const accepted: Expectation = { at: 'handling', status: 202, body: { status: 'accepted' } }
export const duplicate: Expectation = { at: 'handling', status: 202, body: { status: 'duplicate' } }

export function refused(
  at: Step,
  status: number,
  error: string,
  headers?: Readonly<Record<string, string>>,
): Expectation {
  return { at, status, body: { error }, ...(headers === undefined ? {} : { headers }) }
}

/** The reply that each condition causes, unless an earlier step refuses the delivery. */
const conditionReplies: { readonly [Name in Condition]?: Expectation } = {
  'parser first': refused('body', 500, 'raw_body_unavailable'),
  compressed: refused('encoding', 415, 'content_encoding_unsupported'),
  oversized: refused('length', 413, 'body_too_large'),
  slow: refused('body', 408, 'body_timeout'),
  aborted: refused('body', 400, 'body_aborted'),
}

/** Whether a genuine delivery reaches the handlers. */
export function reachesHandlers(condition: Condition): boolean {
  return conditionReplies[condition] === undefined
}

/** The reply of whichever step comes first: the condition's or the check's. */
export function expectedUnder(condition: Condition, expectation: Expectation): Expectation {
  const ofCondition = conditionReplies[condition]
  if (ofCondition === undefined) return expectation
  return steps.indexOf(ofCondition.at) < steps.indexOf(expectation.at) ? ofCondition : expectation
}

/** @throws {ConformanceFailure} the status, the body or a header differs. */
export function compareReply(expected: Expectation, reply: WireReply): void {
  const headers = { 'content-type': 'application/json; charset=utf-8', ...expected.headers }
  const isAsExpected =
    reply.status === expected.status &&
    reply.body === JSON.stringify(expected.body) &&
    Object.entries(headers).every(([name, value]) => reply.headers[name] === value)
  if (isAsExpected) return
  const got = `${reply.status} ${reply.body.slice(0, 200)} with ${JSON.stringify(reply.headers)}`
  throw new ConformanceFailure(
    `Expected ${describeExpectation(expected)} with ${JSON.stringify(headers)}, got ${got}.`,
    { receivedStatus: reply.status },
  )
}

export function describeExpectation({ status, body }: Expectation): string {
  return `${status} ${JSON.stringify(body)}`
}
