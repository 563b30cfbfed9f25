import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { expect, it, vi } from 'vitest'
import { Supervisor } from '../inbox/supervisor.ts'
import { newPlaceName, openPlace } from './engine-inboxes.ts'
import { hasProgram } from './installed-engines.ts'
import { startPostgres, startRedis } from './servers.ts'

const engines = [
  { engine: 'bullmq', server: 'redis', start: () => startRedis() },
  // Takes three of pg-boss's shortest leases, 10 s each.
  { engine: 'pg-boss', server: 'postgres', start: startPostgres },
] as const

for (const { engine, server, start } of engines) {
  // Concurrent, because both mostly wait for leases to expire.
  it.skipIf(!hasProgram(server))(
    `moves only the event that kills its process to dead letters, on ${engine}`,
    { concurrent: true, timeout: 180_000 },
    async ({ onTestFinished }) => {
      const opened = await start()
      onTestFinished(() => opened.dispose())
      const folder = mkdtempSync(join(tmpdir(), 'scrapenest-killer-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const place = newPlaceName()
      const inbox = openPlace(engine, { url: opened.url, name: place }).createInbox({ maxAttempts: 3, leaseMs: 500 })
      onTestFinished(() => inbox.close())
      const killer = createInboxEvent({ eventType: 'artifact.ready' })
      await inbox.put(killer)
      for (let index = 0; index < 60; index += 1) await inbox.put(createInboxEvent())

      const supervisor = new Supervisor(join(import.meta.dirname, 'engine-process.ts'), {
        // Events that run alongside the killer lose an attempt too. Long random delays keep them from meeting it again.
        INBOX_CONCURRENCY: '5',
        INBOX_MAX_ATTEMPTS: '3',
        INBOX_LEASE_MS: '500',
        INBOX_LONGEST_DELAY_MS: '6000',
      })
      onTestFinished(() => supervisor.stop())
      const parameters = ['worker', engine, opened.url, place, '', join(folder, 'ledger')]
      supervisor.run(parameters)
      supervisor.run(parameters)
      await vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ ready: 0, running: 0 }), {
        timeout: 120_000,
        interval: 100,
      })

      expect(await inbox.stats()).toMatchObject({ done: 60, dead: 1 })
      expect(supervisor.kills).toBe(3)
      expect(await inbox.get(killer.eventId)).toMatchObject({
        state: 'dead',
        attempts: 3,
        history: [{ attempt: 3, error: { code: 'lease_ended' } }],
      })
    },
  )
}
