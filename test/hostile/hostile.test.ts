import { describe, expect, it } from 'vitest'
import { comparisonsOfSecretBytes, coreSources } from './comparison-gate.ts'
import { run as constantTime, leakingSources, leaks } from './constant-time.ts'
import { run as differential, explanationsOf } from './differential.ts'
import type { Family } from './family.ts'
import { intendedDifferences } from './intended-differences.ts'
import { run as memory } from './memory.ts'
import { run as properties } from './properties.ts'
import { run as requests } from './requests.ts'
import { run as sockets } from './sockets.ts'

/** The whole budget, and any seed: `npx -y pnpm@12 test:hostile`. */
const seed = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 2_147_483_647)

describe(`hostile inputs, a short budget, seed ${seed}`, () => {
  it.each<[string, Family]>([
    ['properties', properties],
    ['requests', requests],
    ['differential', differential],
    ['constant time', constantTime],
    ['memory', memory],
    ['sockets', sockets],
  ])(
    'break nothing: %s',
    async (_family, run) => {
      const { cases, failures } = await run({ budget: 'short', seed })
      expect(failures).toEqual([])
      expect(cases).toBeGreaterThan(1000)
    },
    120_000,
  )
})

describe('ours differs from standardwebhooks and svix as intended:', () => {
  it.each(intendedDifferences.map((difference) => [difference.name, difference] as const))('%s', (name, difference) => {
    for (const example of difference.examples()) {
      const { ours, names } = explanationsOf(example)
      expect([ours, [...names]]).toEqual([difference.ours, expect.arrayContaining([name])])
    }
  })
})

describe('the gate on comparisons', () => {
  it('finds timingSafeEqual, and no other comparison of anything that depends on a secret', () => {
    expect(comparisonsOfSecretBytes(coreSources())).toEqual([])
  })

  it.each(leakingSources(coreSources()).map(({ leak, mutated }) => [leak, mutated] as const))(
    'notices %s in its place',
    (_leak, mutated) => {
      expect(comparisonsOfSecretBytes(mutated)).not.toEqual([])
    },
  )

  it('has leaks to look for', () => {
    expect(leaks.length).toBeGreaterThan(10)
  })
})
