import { type ConformanceTarget, conditions, conformanceChecks } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { type BrokenAdapter, brokenAdapters, intactAdapters } from './broken-adapters.ts'

function run(id: string, { that, listen, timeoutMs = 5000, under = 'bare' }: Omit<BrokenAdapter, 'failing'>) {
  const target: ConformanceTarget = { name: that, listen, timeoutMs }
  return conformanceChecks.find((check) => check.id === id)?.run(target, under)
}

describe.concurrent('the conformance checks', () => {
  describe.each(brokenAdapters)('fail for an adapter that $that', (adapter) => {
    it.each(adapter.failing)('%s', async (id) => {
      await expect(run(id, adapter)).rejects.toMatchObject({ name: 'ConformanceFailure' })
    })
  })

  it.each(intactAdapters)('pass for an intact adapter that is built like the broken ones: $that', async (intact) => {
    const results = brokenAdapters.flatMap(({ failing, under = 'bare' }) =>
      failing.map(async (id) => await run(id, { ...intact, under })),
    )

    expect(new Set((await Promise.all(results)).map((result) => result?.cell))).toEqual(new Set(['ours']))
  })

  it('each fail for at least one adapter', () => {
    const failed = new Set(brokenAdapters.flatMap(({ failing }) => failing))

    expect(conformanceChecks.map(({ id }) => id).filter((id) => !failed.has(id))).toEqual([])
  })

  it('fail for at least one adapter under each condition', () => {
    const failed = new Set(brokenAdapters.map(({ under = 'bare' }) => under))

    expect(conditions.filter((condition) => !failed.has(condition))).toEqual([])
  })
})
