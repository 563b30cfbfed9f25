import { type ConformanceResult, conditions, conformanceChecks } from '@scrapenest-webhooks/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { printMatrix } from './matrix.ts'
import { targets } from './targets.ts'

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
})

afterAll(() =>
  printMatrix(
    results,
    targets.map(({ name }) => name),
  ),
)
