import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished } from 'vitest'
import { crash } from './crash.ts'
import { disturb } from './disturb.ts'

const rounds = Number(process.env['INBOX_CRASH_ROUNDS'] ?? 6)

it(`loses no acknowledged delivery and completes none twice across ${rounds} kills on each host`, async () => {
  const counts = await crash(rounds)
  console.table(counts)
  expect(Object.keys(counts)).toEqual(['fastify', 'koa', 'express'])
  for (const { acknowledged, processed, lost, completedTwice, acceptedTwice, kills } of Object.values(counts)) {
    expect({ lost, completedTwice, acceptedTwice, kills }).toEqual({
      lost: 0,
      completedTwice: 0,
      acceptedTwice: 0,
      kills: rounds,
    })
    expect(acknowledged).toBe(rounds * 200)
    expect(processed).toBe(acknowledged)
  }
}, 600_000)

it('loses no acknowledged event to kills or to tools that open or back up its file or delete the log', async () => {
  // Each kind once. `pnpm test:crash` runs many rounds.
  const { rounds, acknowledged, lost } = await disturb(11)
  expect(Object.keys(rounds)).toHaveLength(11)
  expect(acknowledged).toBeGreaterThan(11)
  expect(lost).toBe(0)
}, 120_000)

it.skipIf(!canTrace())(
  'syncs an event to disk before writing the 202',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'scrapenest-trace-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const secret = generateSecret()
    const trace = join(directory, 'trace')
    const calls = ['-f', '-y', '-s', '40', '-e', 'trace=fdatasync,fsync,write,writev,sendto', '-o', trace]
    const server = [join(import.meta.dirname, 'server.ts'), 'fastify', join(directory, 'webhooks.db'), secret]
    const child = spawn('strace', [...calls, process.execPath, ...server, join(directory, 'ledger')], {
      // Without handlers, so that every fdatasync belongs to a delivery.
      env: { ...process.env, NODE_OPTIONS: '--conditions=@scrapenest-webhooks/source', INBOX_PROCESSING: 'false' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(createInterface(child.stdout), 'line')
    const { port, pid }: { readonly port: number; readonly pid: number } = JSON.parse(line)
    onTestFinished(() => {
      // strace does not forward signals, and exits with the process it traces.
      if (child.exitCode === null) process.kill(pid, 'SIGKILL')
    })
    for (let index = 0; index < 5; index += 1) {
      const reply = await deliver(
        `http://127.0.0.1:${port}/webhooks/scrapenest`,
        signDelivery(createEvent('job.created'), { secret }),
      )
      expect(reply.status).toBe(202)
    }
    const exited = once(child, 'exit')
    process.kill(pid, 'SIGTERM')
    await exited
    // One letter per relevant call: s for a sync of the log, r for the start of a reply.
    const order = readFileSync(trace, 'utf8')
      .split('\n')
      .map((line) =>
        /(?:fdatasync|fsync)\([0-9]+<[^>]*-wal>/.test(line) ? 's' : line.includes('HTTP/1.1 202') ? 'r' : '',
      )
      .join('')
    expect(order).toMatch(/^(?:s+r){5}s*$/)
  },
  60_000,
)

function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'])
    return true
  } catch {
    return false
  }
}
