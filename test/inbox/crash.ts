// Repeatedly kills servers under load and interferes with their files, and counts the outcome of every delivery:
// node --conditions=@scrapenest-webhooks/source test/inbox/crash.ts --rounds 1000
// Its child processes run on the same Node. To run it on Node 22:
// npx -y node@22 --conditions=@scrapenest-webhooks/source test/inbox/crash.ts --rounds 1000
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Secret } from '@scrapenest-webhooks/core'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, deliver, generateSecret, type SignedDelivery, signDelivery } from '@scrapenest-webhooks/testing'
import { disturb } from './disturb.ts'

export interface CrashCounts {
  /** Requests sent, including retries and duplicates. */
  sent: number
  /** Distinct events acknowledged with 202. */
  acknowledged: number
  /** Of these, the ones in the handlers' ledger that are done in the inbox. */
  processed: number
  lost: number
  /** Events that the inbox completed more than once. */
  completedTwice: number
  /** Events acknowledged as new more than once. */
  acceptedTwice: number
  /** Repeated runs, after a kill between handler and completion. Allowed: the guarantee is at least once. */
  ranAgain: number
  kills: number
}

const hosts = ['fastify', 'koa', 'express'] as const
const eventsPerRound = 200
const duplicatesPerRound = 60
const connections = 16

/** Runs the rounds on all hosts concurrently, each with its own file. */
export async function crash(rounds: number): Promise<Record<string, CrashCounts>> {
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-crash-'))
  try {
    const counts = await Promise.all(hosts.map((host) => crashHost(host, rounds, directory)))
    return Object.fromEntries(hosts.map((host, index) => [host, counts[index] as CrashCounts]))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function crashHost(host: string, rounds: number, directory: string): Promise<CrashCounts> {
  const file = join(directory, `${host}.db`)
  const ledger = join(directory, `${host}.ledger`)
  const secret = generateSecret()
  writeFileSync(ledger, '')
  const start = (): Promise<Server> => startServer([host, file, secret, ledger])
  const load = new Load(secret)
  let server = await start()
  for (let round = 0; round < rounds; round += 1) {
    load.addRound()
    const delivering = load.deliver(server.url)
    await sleep(Math.random() * 250)
    server.process.kill('SIGKILL')
    await once(server.process, 'exit')
    await delivering
    server = await start()
    // Retries unacknowledged deliveries, as the sender does.
    await load.deliver(server.url)
    assert.equal(load.waiting.length, 0, 'a running server acknowledges every delivery')
  }
  await allHandled(file)
  server.process.kill('SIGTERM')
  await once(server.process, 'exit')
  return count(load, { file, ledger, kills: rounds })
}

/** The deliveries of all rounds and their replies. */
class Load {
  readonly #secret: Secret
  /** Event id → `accepted` replies. An id is present once any of its deliveries was answered 202. */
  readonly acknowledged = new Map<string, number>()
  waiting: { readonly eventId: string; readonly delivery: SignedDelivery }[] = []
  sent = 0

  constructor(secret: Secret) {
    this.#secret = secret
  }

  addRound(): void {
    for (let index = 0; index < eventsPerRound; index += 1) {
      const event = createEvent('job.created')
      const deliveries = index < duplicatesPerRound ? 2 : 1
      const delivery = signDelivery(event, { secret: this.#secret })
      for (let copy = 0; copy < deliveries; copy += 1) this.waiting.push({ eventId: event.event_id, delivery })
    }
  }

  async deliver(url: string): Promise<void> {
    const queue = this.waiting
    this.waiting = []
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          if (!(await this.#deliverOne(url, next))) this.waiting.push(next)
        }
      }),
    )
  }

  async #deliverOne(url: string, { eventId, delivery }: (typeof this.waiting)[number]): Promise<boolean> {
    this.sent += 1
    try {
      const { status, reply } = await deliver(url, delivery)
      if (status !== 202) return false
      const isNew = (reply as { status: string }).status === 'accepted'
      this.acknowledged.set(eventId, (this.acknowledged.get(eventId) ?? 0) + Number(isNew))
      return true
    } catch {
      return false
    }
  }
}

async function count(
  load: Load,
  { file, ledger, kills }: { readonly file: string; readonly ledger: string; readonly kills: number },
): Promise<CrashCounts> {
  const runs = new Map<string, number>()
  for (const eventId of readFileSync(ledger, 'utf8').split('\n').slice(0, -1)) {
    runs.set(eventId, (runs.get(eventId) ?? 0) + 1)
  }
  // Node 22 does not parse `await using`.
  const inbox = sqliteInbox({ file })
  const counts: CrashCounts = {
    sent: load.sent,
    acknowledged: load.acknowledged.size,
    processed: 0,
    lost: 0,
    completedTwice: 0,
    acceptedTwice: 0,
    ranAgain: 0,
    kills,
  }
  for (const [eventId, accepted] of load.acknowledged) {
    const record = await inbox.get(eventId)
    const completions = record?.history.filter(({ error }) => error === undefined).length ?? 0
    const isProcessed = record?.state === 'done' && completions > 0 && runs.has(eventId)
    counts[isProcessed ? 'processed' : 'lost'] += 1
    counts.completedTwice += Number(completions > 1)
    counts.acceptedTwice += Number(accepted > 1)
    counts.ranAgain += Math.max(0, (runs.get(eventId) ?? 0) - 1)
  }
  await inbox.close()
  const db = new DatabaseSync(file, { readOnly: true })
  assert.deepEqual({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  db.close()
  return counts
}

async function allHandled(file: string): Promise<void> {
  const inbox = sqliteInbox({ file })
  let unfinished: number
  do {
    await sleep(50)
    const { ready, running } = await inbox.stats()
    unfinished = ready + running
  } while (unfinished > 0)
  await inbox.close()
}

export interface Server {
  readonly process: ChildProcess
  readonly url: string
}

/** @param parameters host, file, secret and ledger */
export async function startServer(parameters: readonly string[]): Promise<Server> {
  const process = fork(join(import.meta.dirname, 'server.ts'), parameters, {
    execArgv: ['--conditions=@scrapenest-webhooks/source'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = once(process, 'exit').then(([code]) => {
    throw new Error(`The server ended with ${code} before it listened.`)
  })
  exited.catch(() => {})
  const [{ port }] = (await Promise.race([once(process, 'message'), exited])) as [{ readonly port: number }]
  return { process, url: `http://127.0.0.1:${port}/webhooks/scrapenest` }
}

// The oldest Node that runs this has no `import.meta.main`.
if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100' } } })
  const rounds = Number(values.rounds)
  const startedAtMs = performance.now()
  const counts = await crash(rounds)
  console.table(counts)
  const disturbed = await disturb(rounds)
  console.table(disturbed.rounds)
  const { acknowledged, lost, refused } = disturbed
  console.log(`Disturbed: ${acknowledged} acknowledged, ${lost} lost; SQLite refused ${refused} rounds.`)
  console.log(
    `${rounds} rounds on each host in ${Math.round((performance.now() - startedAtMs) / 1000)} s, on Node ${process.version}`,
  )
  const isSound =
    lost === 0 &&
    Object.values(counts).every(
      (host) => host.lost + host.completedTwice + host.acceptedTwice === 0 && host.processed === host.acknowledged,
    )
  console.log(isSound ? 'No acknowledged event was lost or completed twice.' : 'FAILED')
  if (!isSound) process.exitCode = 1
}
