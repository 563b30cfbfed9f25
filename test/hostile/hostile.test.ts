import { describe, expect, it } from 'vitest'
import { run as differential } from './differential.ts'
import type { Family } from './family.ts'
import { run as memory } from './memory.ts'
import { run as properties } from './properties.ts'
import { run as requests } from './requests.ts'
import { run as sockets } from './sockets.ts'

/** `pnpm test:hostile` runs the full budget with any seed. */
const seed = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 2_147_483_647)

describe(`hostile inputs, with a short budget and seed ${seed}`, () => {
  it.each<[string, Family]>([
    ['properties', properties],
    ['requests', requests],
    ['differential', differential],
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
