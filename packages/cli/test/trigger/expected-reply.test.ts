import type { Fault } from '@scrapenest-webhooks/simulator'
import { expect, it } from 'vitest'
import { isExpectedReply } from '../../src/trigger/expected-reply.ts'

const reply = { responseBody: '', latencyMs: 1 }

it.each<[Fault[], number | undefined, boolean]>([
  [[], 202, true],
  [[], 204, true],
  [[], 400, false],
  [[], undefined, false],
  [['slow'], 202, true],
  [['tamper'], 400, true],
  [['stale'], 401, true],
  [['reserialize'], 403, true],
  [['tamper'], 202, false],
  [['tamper'], 404, false],
  [['stale'], 405, false],
  [['reserialize'], 413, false],
  [['stale'], 429, false],
  [['tamper'], 500, false],
  [['tamper'], undefined, false],
  [['drop'], undefined, false],
  [['drop'], 202, false],
])('with %j, a reply with status %s is expected: %s', (faults, statusCode, expected) => {
  expect(isExpectedReply({ ...reply, ...(statusCode !== undefined && { statusCode }) }, new Set(faults))).toBe(expected)
})

it('with drop, a connection that was closed halfway is expected', () => {
  expect(isExpectedReply({ ...reply, failure: 'connection dropped', isDropped: true }, new Set(['drop']))).toBe(true)
})
