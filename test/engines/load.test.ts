import { expect, it } from 'vitest'
import { hasProgram } from './installed-engines.ts'
import { load, type SharedEngine } from './load.ts'

/** `pnpm test:engines` sends 20000. */
const deliveries = Number(process.env['INBOX_LOAD_DELIVERIES'] ?? 1500)

const engines: readonly { readonly engine: SharedEngine; readonly server: 'redis' | 'postgres' }[] = [
  { engine: 'bullmq', server: 'redis' },
  { engine: 'pg-boss', server: 'postgres' },
]

for (const { engine, server } of engines) {
  it.skipIf(!hasProgram(server))(
    `processes every acknowledged one of ${deliveries} deliveries on ${engine} while web and worker processes are killed`,
    async () => {
      const counts = await load({ engine, deliveries, killEveryMs: 1000 })
      console.table({ [`${engine}, processes killed`]: counts })
      const { events, acknowledged, processed, killedWebs, killedWorkers } = counts
      expect(counts).toMatchObject({ lost: 0, acceptedTwice: 0, deadUnasked: 0, ranAgainAlive: 0, unexpected: 0 })
      expect([acknowledged, processed]).toEqual([events, events])
      expect(killedWebs + killedWorkers).toBeGreaterThan(0)
    },
    300_000,
  )
}
