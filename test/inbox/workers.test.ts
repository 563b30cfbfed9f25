import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Supervisor } from './supervisor.ts'

const events = Number(process.env['INBOX_WORKER_EVENTS'] ?? 20_000)
const labels = ['one', 'two', 'three', 'four']

it(`four processes share ${events} events, complete each once, and move the one that kills them to dead letters`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-workers-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'webhooks.db')
  const ledger = join(directory, 'ledger')
  writeFileSync(ledger, '')
  const inbox = sqliteInbox({ file })
  onTestFinished(() => inbox.close())
  const killer = createInboxEvent({ eventType: 'artifact.ready' })
  await Promise.all(
    Array.from({ length: events }, (_, index) => inbox.put(index === events / 4 ? killer : createInboxEvent())),
  )

  const supervisor = new Supervisor(join(import.meta.dirname, 'worker.ts'))
  onTestFinished(() => supervisor.stop())
  for (const label of labels) supervisor.run([file, ledger, label])
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
