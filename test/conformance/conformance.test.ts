import { type ConformanceResult, conditions, conformanceChecks } from '@scrapenest-webhooks/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { exceptionsOf, printMatrix } from './matrix.ts'
import { targets } from './targets.ts'

const hosts = targets.map(({ name }) => name)
const results = new Map<string, ConformanceResult>()

for (const target of targets) {
  for (const condition of conditions) {
    describe.concurrent(`${target.name}, ${condition}`, () => {
      for (const check of conformanceChecks) {
        it(`${check.id} ${check.name}`, async () => {
          results.set(`${check.id}|${target.name}|${condition}`, await check.run(target, condition))
        })
      }
    })
  }
}

describe('the conformance matrix', () => {
  it('has stable ids and rules', () => {
    expect(conformanceChecks.map(({ id, name }) => `${id} ${name}`)).toMatchSnapshot()
  })

  it("has the receiver's reply in every cell, except for these reasons", () => {
    expect(exceptionsOf(results, hosts)).toMatchSnapshot()
  })
})

afterAll(() => printMatrix(results, hosts))
