import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEvent, createInboxEvent } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished, vi } from 'vitest'
import { newPlaceName, openPlace } from './engine-inboxes.ts'
import { hasProgram } from './installed-engines.ts'
import { startPostgres, startRedis } from './servers.ts'

const engines = [
  { engine: 'bullmq', server: 'redis', start: () => startRedis() },
  // Three of pg-boss's shortest leases, of ten seconds each.
  { engine: 'pg-boss', server: 'postgres', start: startPostgres },
] as const

for (const { engine, server, start } of engines) {
  it.skipIf(!hasProgram(server))(
    `buries the event that kills each process that handles it, and nothing else, on ${engine}`,
    async () => {
      const opened = await start()
      onTestFinished(() => opened.dispose())
      const folder = mkdtempSync(join(tmpdir(), 'scrapenest-killer-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const place = newPlaceName()
      const inbox = openPlace(engine, { url: opened.url, name: place }).createInbox({ maxAttempts: 3, leaseMs: 500 })
      onTestFinished(() => inbox.close())
      const killer = inboxEvent('artifact.ready')
      await inbox.put(killer)
      for (let index = 0; index < 60; index += 1) await inbox.put(inboxEvent('job.created'))

      const supervisor = new Supervisor(['worker', engine, opened.url, place, '', join(folder, 'ledger')])
      onTestFinished(() => supervisor.stop())
      supervisor.run()
      supervisor.run()
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
    180_000,
  )
}

/** Starts a worker again when it dies, as systemd or a container platform does. */
class Supervisor {
  readonly #parameters: readonly string[]
  readonly #processes = new Set<ChildProcess>()
  #isStopping = false
  kills = 0

  constructor(parameters: readonly string[]) {
    this.#parameters = parameters
  }

  run(): void {
    const child = fork(join(import.meta.dirname, 'engine-process.ts'), this.#parameters, {
      // What runs beside the killer dies with it, and its attempt counts too: the delays are long enough for them to part.
      env: {
        ...process.env,
        INBOX_CONCURRENCY: '5',
        INBOX_MAX_ATTEMPTS: '3',
        INBOX_LEASE_MS: '500',
        INBOX_LONGEST_DELAY_MS: '6000',
      },
    })
    this.#processes.add(child)
    child.once('exit', (_code, signal) => {
      this.#processes.delete(child)
      if (signal === 'SIGKILL') this.kills += 1
      if (!this.#isStopping) this.run()
    })
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const exits = [...this.#processes].map((child) => once(child, 'exit'))
    for (const child of this.#processes) child.kill('SIGTERM')
    await Promise.all(exits)
  }
}

function inboxEvent(type: 'job.created' | 'artifact.ready'): ReturnType<typeof createInboxEvent> {
  const event = createEvent(type)
  return createInboxEvent({ eventId: event.event_id, eventType: type, body: Buffer.from(JSON.stringify(event)) })
}
