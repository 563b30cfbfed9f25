// Web and worker processes under load while they are killed at random, or while their engine is stopped and restarted:
// node --conditions=@scrapenest-webhooks/source test/engines/load.ts [--deliveries 20000] [--engine bullmq]
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Secret } from '@scrapenest-webhooks/core'
import type { Inbox } from '@scrapenest-webhooks/inbox'
import { createEvent, deliver, generateSecret, type SignedDelivery, signDelivery } from '@scrapenest-webhooks/testing'
import { newPlaceName, openPlace, serverOf } from './engine-inboxes.ts'
import { type EngineServer, startPostgres, startRedis } from './servers.ts'

export type SharedEngine = 'bullmq' | 'pg-boss'

export interface LoadOptions {
  readonly engine: SharedEngine
  /** One in ten is a duplicate. */
  readonly deliveries: number
  /** The interval at which a web or worker process is killed, from the first delivery until everything is processed. */
  readonly killEveryMs?: number | undefined
  /** The duration of an engine outage, of which a run has two. */
  readonly outageMs?: number | undefined
}

export interface LoadCounts {
  /** Distinct events. */
  readonly events: number
  /** Requests, including retries of unacknowledged ones. */
  readonly requests: number
  readonly acknowledged: number
  /** Acknowledged and handled, and then done, or dead because a handler rejected it permanently. */
  readonly processed: number
  readonly lost: number
  readonly acceptedTwice: number
  readonly dead: number
  /** Dead events that no handler rejected. Must be 0. */
  readonly deadUnasked: number
  /** Repeated runs of an event's handlers. */
  readonly ranAgain: number
  /** Repeated runs whose process survived the earlier run. Must be 0, unless the engine was stopped. */
  readonly ranAgainAlive: number
  /** The most attempts of an event that no handler rejected. */
  readonly mostAttempts: number
  readonly killedWebs: number
  readonly killedWorkers: number
  /** The number of kills due in this time. A slow machine achieves fewer. */
  readonly killsDue: number
  readonly outages: number
  /** 503 replies while the engine was stopped, and the slowest of them in milliseconds. */
  readonly refused: number
  readonly slowestRefusalMs: number
  /** Replies other than 202 and 503. Must be 0. */
  readonly unexpected: number
  /** From the first delivery until all are acknowledged. */
  readonly secondsToAcknowledge: number
  /** From the first delivery until everything is processed. */
  readonly seconds: number
}

const webs = 3
const workers = 4
const connections = 24
/**
 * The latest refusal, in milliseconds. An inbox refuses within a second, and a busy machine adds to it; the sender waits for ten
 * seconds.
 */
export const latestRefusalMs = 4000
/** The time for a run and its completion: some milliseconds, more on a slow disk. */
const longestRunMs = 5000

export async function load(options: LoadOptions): Promise<LoadCounts> {
  const server = await (serverOf[options.engine] === 'redis' ? startRedis() : startPostgres())
  const folder = mkdtempSync(join(tmpdir(), 'scrapenest-load-'))
  try {
    return await new Load(options, { server, folder }).run()
  } finally {
    await server.dispose()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Waiting {
  readonly eventId: string
  readonly delivery: SignedDelivery
}

/** From the first delivery until all are acknowledged, and until everything is processed. */
interface LoadTimes {
  readonly acknowledgedMs: number
  readonly processedMs: number
}

/** One run of an event's handlers. */
interface Run {
  readonly pid: number
  readonly atMs: number
}

class Load {
  readonly #options: LoadOptions
  readonly #server: EngineServer
  /** Contains the ledger of the handlers' runs and the compile cache of the processes. */
  readonly #folder: string
  readonly #place = newPlaceName()
  readonly #secret: Secret = generateSecret()
  readonly #processes: EngineProcess[] = []
  /** Event id → how often it was acknowledged as new. An id is present once any of its deliveries was answered 202. */
  readonly #accepted = new Map<string, number>()
  readonly #givenUp = new Set<string>()
  readonly #refusals: number[] = []
  readonly #unexpected: unknown[] = []
  #requests = 0
  #outages = 0
  #isOver = false

  constructor(options: LoadOptions, { server, folder }: { server: EngineServer; folder: string }) {
    this.#options = options
    this.#server = server
    this.#folder = folder
    writeFileSync(this.#ledger, '')
  }

  get #ledger(): string {
    return join(this.#folder, 'ledger')
  }

  async run(): Promise<LoadCounts> {
    const { engine } = this.#options
    const queue = this.#deliveries()
    const events = new Set(queue.map(({ eventId }) => eventId)).size
    await using inbox = openPlace(engine, { url: this.#server.url, name: this.#place }).createInbox()
    // Creates the schema, before seven processes try to at the same time.
    await inbox.stats()
    for (let index = 0; index < webs + workers; index += 1) {
      const role = index < webs ? 'web' : 'worker'
      const parameters = [engine, this.#server.url, this.#place, this.#secret, this.#ledger]
      this.#processes.push(new EngineProcess(role, { parameters, cacheFolder: join(this.#folder, 'compiled') }))
    }
    return await this.#count(inbox, { events, ...(await this.#process(queue, inbox)) })
  }

  async #process(queue: Waiting[], inbox: Inbox): Promise<LoadTimes> {
    let killing: NodeJS.Timeout | undefined
    try {
      await Promise.all(this.#processes.map((one) => one.start()))
      const startedAtMs = performance.now()
      const { killEveryMs } = this.#options
      if (killEveryMs !== undefined) killing = setInterval(() => this.#kill(), killEveryMs)
      const interrupting = this.#interrupt()
      await this.#deliver(queue)
      const acknowledgedMs = performance.now() - startedAtMs
      this.#isOver = true
      await interrupting
      await this.#settle(inbox)
      return { acknowledgedMs, processedMs: performance.now() - startedAtMs }
    } finally {
      clearInterval(killing)
      this.#isOver = true
      await Promise.all(this.#processes.map((one) => one.stop()))
    }
  }

  #deliveries(): Waiting[] {
    const { deliveries } = this.#options
    const all: Waiting[] = []
    for (let index = 0; index < deliveries; index += 1) {
      // Every tenth delivery repeats one of the nine before it.
      if (index % 10 === 9) {
        all.push(all[index - 1 - Math.floor(Math.random() * 9)] as Waiting)
        continue
      }
      const event = createEvent(index % 100 === 50 ? 'job.completed' : 'job.created')
      if (event.event_type === 'job.completed') this.#givenUp.add(event.event_id)
      all.push({ eventId: event.event_id, delivery: signDelivery(event, { secret: this.#secret }) })
    }
    return all
  }

  /** Retries unacknowledged deliveries, as the sender does. */
  async #deliver(queue: Waiting[]): Promise<void> {
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          if (await this.#deliverOne(next)) continue
          queue.push(next)
          await sleep(50)
        }
      }),
    )
  }

  async #deliverOne({ eventId, delivery }: Waiting): Promise<boolean> {
    const up = this.#processes.filter(({ role, url }) => role === 'web' && url !== undefined)
    const target = up[Math.floor(Math.random() * up.length)]?.url
    if (target === undefined) return false
    this.#requests += 1
    const startedAtMs = performance.now()
    const answer = await deliver(target, delivery).catch(() => undefined)
    // Its process was killed.
    if (answer === undefined) return false
    const { status, reply, headers } = answer
    if (status === 202) {
      const isNew = (reply as { status: string }).status === 'accepted'
      this.#accepted.set(eventId, (this.#accepted.get(eventId) ?? 0) + Number(isNew))
      return true
    }
    if (status === 503 && Number(headers.get('retry-after')) > 0) this.#refusals.push(performance.now() - startedAtMs)
    else this.#unexpected.push({ status, reply })
    return false
  }

  /**
   * Kills a random process, but never the last running web process or worker. Otherwise no event would ever be handled when a
   * start takes longer than the interval between kills.
   */
  #kill(): void {
    const up = this.#processes.filter(({ isUp }) => isUp)
    const candidates = up.filter(({ role }) => up.filter((one) => one.role === role).length > 1)
    candidates[Math.floor(Math.random() * candidates.length)]?.kill()
  }

  async #interrupt(): Promise<void> {
    const { outageMs } = this.#options
    if (outageMs === undefined) return
    for (let outage = 0; outage < 2; outage += 1) {
      await sleep(500)
      if (this.#isOver) return
      await this.#server.stop()
      this.#outages += 1
      await sleep(outageMs)
      await this.#server.start()
    }
  }

  /** Waits until no event is ready or running. */
  async #settle(inbox: Inbox): Promise<void> {
    const giveUpAtMs = performance.now() + 120_000
    for (;;) {
      const stats = await inbox.stats().catch(() => undefined)
      if (stats !== undefined && stats.ready + stats.running === 0) return
      if (performance.now() > giveUpAtMs) throw new Error(`Still waiting after 120 s: ${JSON.stringify(stats)}`)
      await sleep(100)
    }
  }

  async #count(inbox: Inbox, known: LoadTimes & { readonly events: number }): Promise<LoadCounts> {
    const runs = this.#runs()
    const done = await this.#attempts(inbox, 'done')
    const dead = await this.#attempts(inbox, 'dead')
    const processed = [...this.#accepted.keys()].filter(
      (id) => runs.has(id) && (this.#givenUp.has(id) ? dead.has(id) : done.has(id)),
    )
    const killedAtMs = new Map(this.#processes.flatMap((one) => [...one.killedAtMs]))
    const repeats = [...runs.values()].flatMap((all) =>
      all.slice(1).map((later, index) => ({ earlier: all[index] as Run, later })),
    )
    const ranAgainAlive = repeats.filter(({ earlier, later }) => {
      const endedAtMs = killedAtMs.get(earlier.pid) ?? Infinity
      return endedAtMs > later.atMs || endedAtMs - earlier.atMs > longestRunMs
    })
    const kills = (role: EngineProcess['role']): number =>
      this.#processes.filter((one) => one.role === role).reduce((sum, one) => sum + one.killedAtMs.size, 0)
    if (this.#unexpected.length > 0) console.log('unexpected replies', this.#unexpected.slice(0, 5))
    return {
      events: known.events,
      requests: this.#requests,
      acknowledged: this.#accepted.size,
      processed: processed.length,
      lost: this.#accepted.size - processed.length,
      acceptedTwice: [...this.#accepted.values()].filter((times) => times > 1).length,
      dead: dead.size,
      deadUnasked: [...dead.keys()].filter((id) => !this.#givenUp.has(id)).length,
      ranAgain: repeats.length,
      ranAgainAlive: ranAgainAlive.length,
      mostAttempts: Math.max(0, ...done.values()),
      killedWebs: kills('web'),
      killedWorkers: kills('worker'),
      killsDue: Math.floor(known.processedMs / (this.#options.killEveryMs ?? Infinity)),
      outages: this.#outages,
      refused: this.#refusals.length,
      slowestRefusalMs: Math.round(Math.max(0, ...this.#refusals)),
      unexpected: this.#unexpected.length,
      secondsToAcknowledge: Math.round(known.acknowledgedMs / 1000),
      seconds: Math.round(known.processedMs / 1000),
    }
  }

  /** Event id → its runs, in order. */
  #runs(): Map<string, Run[]> {
    const runs = new Map<string, Run[]>()
    for (const line of readFileSync(this.#ledger, 'utf8').split('\n').slice(0, -1)) {
      const [, pid, eventId = '', atMs] = line.split(' ')
      runs.set(eventId, [...(runs.get(eventId) ?? []), { pid: Number(pid), atMs: Number(atMs) }])
    }
    return runs
  }

  /** Event id → its attempts. */
  async #attempts(inbox: Inbox, state: 'done' | 'dead'): Promise<Map<string, number>> {
    const attemptsOf = new Map<string, number>()
    let cursor: string | undefined
    do {
      const page = await inbox.list({ state, limit: 1000, cursor })
      for (const { eventId, attempts } of page.events) attemptsOf.set(eventId, attempts)
      cursor = page.nextCursor
    } while (cursor !== undefined)
    return attemptsOf
  }
}

/** A process that restarts when it is killed, as under systemd or on a container platform. */
class EngineProcess {
  readonly role: 'web' | 'worker'
  /** Process id → when it was killed. */
  readonly killedAtMs = new Map<number, number>()
  /** The URL of a web process. Absent while it is down. */
  url: string | undefined
  isUp = false
  readonly #parameters: readonly string[]
  readonly #cacheFolder: string
  #process: ChildProcess | undefined
  #exited: Promise<unknown[]> = Promise.resolve([])
  #restarted: Promise<void> = Promise.resolve()

  constructor(
    role: 'web' | 'worker',
    { parameters, cacheFolder }: { readonly parameters: readonly string[]; readonly cacheFolder: string },
  ) {
    this.role = role
    this.#parameters = parameters
    this.#cacheFolder = cacheFolder
  }

  async start(): Promise<void> {
    const started = fork(join(import.meta.dirname, 'engine-process.ts'), [this.role, ...this.#parameters], {
      execArgv: ['--conditions=@scrapenest-webhooks/source'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Halves the startup time. With a kill every second, a machine with few cores would otherwise do little else than start.
      env: { ...process.env, NODE_COMPILE_CACHE: this.#cacheFolder },
    })
    this.#process = started
    this.#exited = once(started, 'exit').finally(() => this.#takeDown())
    const ended = this.#exited.then(([code]) => {
      throw new Error(`A ${this.role} process ended with ${code} before it was ready.`)
    })
    ended.catch(() => {})
    const [{ port }] = (await Promise.race([once(started, 'message'), ended])) as [{ readonly port: number }]
    if (this.role === 'web') this.url = `http://127.0.0.1:${port}/webhooks/scrapenest`
    this.isUp = true
  }

  /** Returns immediately. The replacement starts in the background. */
  kill(): void {
    const killed = this.#process as ChildProcess
    this.#takeDown()
    this.killedAtMs.set(killed.pid as number, Date.now())
    killed.kill('SIGKILL')
    this.#restarted = this.#exited.then(() => this.start())
    // `stop` rejects with the error.
    this.#restarted.catch(() => {})
  }

  async stop(): Promise<void> {
    await this.#restarted
    const stopped = this.#process
    if (stopped === undefined) return
    const end = stopped.exitCode ?? stopped.signalCode
    if (end !== null) throw new Error(`A ${this.role} process ended with ${end} unexpectedly.`)
    stopped.kill('SIGTERM')
    const late = setTimeout(() => stopped.kill('SIGKILL'), 15_000).unref()
    await this.#exited
    clearTimeout(late)
  }

  #takeDown(): void {
    this.isUp = false
    this.url = undefined
  }
}

/** Whether a run passes. */
export function isSound(counts: LoadCounts): boolean {
  const { events, acknowledged, processed, lost, acceptedTwice, deadUnasked, unexpected } = counts
  const isKilledOften = counts.killedWebs + counts.killedWorkers >= counts.killsDue / 2
  // An attempt that ends while its engine is stopped for longer than its lease cannot be recorded, so it runs again.
  const ranAgain = counts.outages > 0 ? 0 : counts.ranAgainAlive
  const nothingWrong = lost + acceptedTwice + deadUnasked + ranAgain + unexpected === 0
  // Deliveries are refused only while the engine is stopped.
  const isRefusedSoon = counts.outages === 0 || counts.slowestRefusalMs < latestRefusalMs
  return nothingWrong && isKilledOften && isRefusedSoon && acknowledged === events && processed === events
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { deliveries: { type: 'string', default: '20000' }, engine: { type: 'string', multiple: true } },
  })
  const engines = (values.engine ?? ['bullmq', 'pg-boss']) as SharedEngine[]
  const deliveries = Number(values.deliveries)
  const table: Record<string, LoadCounts> = {}
  for (const engine of engines) {
    table[`${engine}, processes killed`] = await load({ engine, deliveries, killEveryMs: 1000 })
    table[`${engine}, engine stopped`] = await load({ engine, deliveries: deliveries / 4, outageMs: 2000 })
  }
  const columns = Object.keys(Object.values(table)[0] ?? {}) as (keyof LoadCounts)[]
  console.table(
    Object.fromEntries(
      columns.map((column) => [
        column,
        Object.fromEntries(Object.entries(table).map(([run, counts]) => [run, counts[column]])),
      ]),
    ),
  )
  const isEachSound = Object.values(table).every(isSound)
  console.log(
    isEachSound
      ? 'Every acknowledged event was processed. Runs were repeated only after kills or outages. Only abandoned events are dead.'
      : 'FAILED',
  )
  if (!isEachSound) process.exitCode = 1
}
