// Measures the cost of a slow disk, for a server alone and for a server and a worker on one file. Needs Linux and gcc:
// node --conditions=@scrapenest-webhooks/source test/inbox/slow-disk.ts
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createWorker, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createInboxEvent } from '@scrapenest-webhooks/testing'

interface Load {
  readonly storedPerSecond: number
  readonly medianMs: number
  readonly p99Ms: number
  /** Puts that failed. A delivery would be answered 503. */
  readonly refusedPercent: number
}

const durationMs = 8000
const senders = 32

const [role, file = ''] = process.argv.slice(2)
if (role === 'server') process.send?.(await storeEvents(file))
else if (role === 'worker') await handleEvents(file)
else await measureAll()

async function measureAll(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-slow-disk-'))
  const shim = join(directory, 'slow-disk.so')
  execFileSync('gcc', ['-shared', '-fPIC', '-o', shim, join(import.meta.dirname, 'slow-disk.c'), '-ldl'])
  const rows: object[] = []
  for (const delayMs of [0, 20, 200]) {
    for (const hasWorker of [false, true]) {
      const path = join(directory, `${delayMs}-${hasWorker}.db`)
      const env = { ...process.env, LD_PRELOAD: shim, SYNC_DELAY_MS: String(delayMs) }
      const worker = hasWorker ? fork(import.meta.filename, ['worker', path], { env }) : undefined
      if (worker !== undefined) await once(worker, 'message')
      const [load] = (await once(fork(import.meta.filename, ['server', path], { env }), 'message')) as [Load]
      worker?.send('count')
      const [handled] = worker === undefined ? [0] : await once(worker, 'message')
      rows.push({ delayMs, hasWorker, ...load, handledPerSecond: Math.round((handled * 1000) / durationMs) })
    }
  }
  console.table(rows)
  rmSync(directory, { recursive: true })
}

async function storeEvents(path: string): Promise<Load> {
  const inbox = sqliteInbox({ file: path })
  await inbox.stats()
  const durations: number[] = []
  let refused = 0
  const untilMs = performance.now() + durationMs
  await Promise.all(
    Array.from({ length: senders }, async () => {
      while (performance.now() < untilMs) {
        const startedAtMs = performance.now()
        await inbox.put(createInboxEvent()).catch(() => {
          refused += 1
        })
        durations.push(performance.now() - startedAtMs)
        await sleep(1)
      }
    }),
  )
  durations.sort((one, other) => one - other)
  const quantile = (share: number): number => Math.round(durations[Math.floor(durations.length * share)] ?? 0)
  return {
    storedPerSecond: Math.round(((durations.length - refused) * 1000) / durationMs),
    medianMs: quantile(0.5),
    p99Ms: quantile(0.99),
    refusedPercent: Math.round((refused * 10_000) / durations.length) / 100,
  }
}

async function handleEvents(path: string): Promise<void> {
  let handled = 0
  const count = (): void => {
    handled += 1
  }
  const worker = createWorker({ inbox: sqliteInbox({ file: path }), onEvent: { '*': count }, onUnknownEvent: count })
  await worker.start()
  process.once('message', () => process.send?.(handled, () => process.exit()))
  process.send?.('started')
}
