import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { InboxEvent } from '@scrapenest-webhooks/core'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished, vi } from 'vitest'

const events = Number(process.env['INBOX_WORKER_EVENTS'] ?? 20_000)
const labels = ['one', 'two', 'three', 'four']

it(`shares ${events} events among four processes, completes each once, and buries the one that kills`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-workers-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'webhooks.db')
  const ledger = join(directory, 'ledger')
  writeFileSync(ledger, '')
  const inbox = sqliteInbox({ file })
  onTestFinished(() => inbox.close())
  const killer = inboxEvent('artifact.ready')
  await Promise.all(
    Array.from({ length: events }, (_, index) => inbox.put(index === events / 4 ? killer : inboxEvent('job.created'))),
  )

  const supervisor = new Supervisor([file, ledger])
  onTestFinished(() => supervisor.stop())
  for (const label of labels) supervisor.run(label)
  await vi.waitFor(async () => expect(await inbox.stats()).toMatchObject({ ready: 0, running: 0 }), {
    timeout: 90_000,
    interval: 100,
  })
  await supervisor.stop()

  expect(await inbox.stats()).toMatchObject({ done: events - 1, dead: 1 })
  expect(supervisor.kills).toBe(3)
  const dead = await inbox.get(killer.eventId)
  expect(dead?.history.map(({ error }) => error?.code)).toEqual(['lease_ended', 'lease_ended', 'lease_ended'])

  const runs = readFileSync(ledger, 'utf8').trimEnd().split('\n')
  const shares = labels.map((label) => runs.filter((run) => run.startsWith(`${label} `)).length)
  console.log(
    `${events} events, ${runs.length} runs, by process ${shares.join(' / ')}, ${supervisor.kills} processes killed`,
  )
  expect(new Set(runs.map((run) => run.split(' ')[1])).size).toBe(events - 1)
  for (const share of shares) expect(share).toBeGreaterThan(events / 20)

  const db = new DatabaseSync(file, { readOnly: true })
  onTestFinished(() => db.close())
  const completions = db.prepare('SELECT count(*) AS n FROM attempts WHERE error IS NULL GROUP BY event')
  expect(completions.all().every(({ n }) => n === 1)).toBe(true)
  expect(completions.all()).toHaveLength(events - 1)
  expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
}, 120_000)

/** Starts a worker again when it dies, as systemd or a container platform does. */
class Supervisor {
  readonly #parameters: readonly string[]
  readonly #processes = new Set<ChildProcess>()
  #isStopping = false
  kills = 0

  constructor(parameters: readonly string[]) {
    this.#parameters = parameters
  }

  run(label: string): void {
    const child = fork(join(import.meta.dirname, 'worker.ts'), [...this.#parameters, label])
    this.#processes.add(child)
    child.once('exit', (_code, signal) => {
      this.#processes.delete(child)
      if (signal === 'SIGKILL') this.kills += 1
      if (!this.#isStopping) this.run(label)
    })
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const exits = [...this.#processes].map((child) => once(child, 'exit'))
    for (const child of this.#processes) child.kill('SIGTERM')
    await Promise.all(exits)
  }
}

function inboxEvent(type: 'job.created' | 'artifact.ready'): InboxEvent {
  const event = createEvent(type)
  return {
    name: 'scrapenest',
    eventId: event.event_id,
    eventType: type,
    messageId: `msg_${event.event_id}`,
    sentAt: new Date(),
    receivedAt: new Date(),
    signedHeaders: {},
    body: Buffer.from(JSON.stringify(event)),
    secretIndex: 0,
  }
}
