// What can happen to a server and its inbox: the clock is set, the event loop is blocked, a signal arrives, or the engine is
// down at startup. Runs each case on every host and every inbox:
// node --conditions=@scrapenest-webhooks/source test/engines/lifecycles.ts [--host koa] [--inbox SQLite] [--case SIGTERM]
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Inbox, type InboxStats, sqliteInbox } from '@scrapenest-webhooks/inbox'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { type InboxEngine, newPlaceName, openPlace } from './engine-inboxes.ts'
import { type EngineServer, startPostgres, startRedis } from './servers.ts'

export const hostNames = ['fastify', 'koa', 'express', 'node', 'fetch'] as const
export const inboxNames = ['none', 'memory', 'SQLite', 'bullmq', 'pg-boss'] as const

export type HostName = (typeof hostNames)[number]
export type InboxName = (typeof inboxNames)[number]

export type Command =
  | { readonly setClockByMs: number }
  | { readonly blockForMs: number }
  | { readonly finish: true }
  | { readonly ignoreSignals: true }
  | { readonly stats: true }

export type Report =
  | { readonly port: number }
  | { readonly ran: string }
  | { readonly logged: string }
  | { readonly reported: string }
  | { readonly stats: Partial<InboxStats> }

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** The `leaseMs` of the servers under test. */
const leaseMs = 6 * second

/** The default `closeGraceMs`, plus the delay of a busy machine. Kubernetes waits 30 s. */
const closesWithinMs = 8 * second + 6 * second

/** Halves the startup time. */
const compileCache = join(tmpdir(), 'scrapenest-lifecycles-compiled')

/** How long startup, a delivery or a handler may take on a busy machine. */
const soonMs = minute

export interface Case {
  readonly name: string
  readonly isFor: (inbox: InboxName) => boolean
  /** @returns what to print. @throws {Error} if the server breaks a promise of the guides. */
  run(server: Subject): Promise<string>
}

const hasInbox = (inbox: InboxName): boolean => inbox !== 'none'
const isEngine = (inbox: InboxName): boolean => inbox === 'bullmq' || inbox === 'pg-boss'

export const cases: readonly Case[] = [
  ...[290 * second, hour, 5 * day].flatMap((ms) => [clockCase(ms), clockCase(-ms)]),
  {
    name: 'blocked for longer than the lease',
    isFor: hasInbox,
    async run(server) {
      await server.start()
      const event = await server.send('artifact.ready')
      await server.until(() => server.runsOf(event) === 1, 'the handler runs')
      server.tell({ blockForMs: leaseMs + 4 * second })
      await server.until(() => server.logs(/event loop was blocked for \d/), 'the block is logged')
      server.tell({ finish: true })
      await server.untilStats({ done: 1, running: 0, ready: 0, dead: 0 })
      // No other process could take over the event, so it ran once, or the second run was reported.
      const again = server.runsOf(event) - 1
      insist(again === 0 || server.reports.includes('lease_ended'), `${again} further runs, unreported`)
      return again === 0 ? 'once' : `${again + 1} runs, reported`
    },
  },
  ...(['SIGTERM', 'SIGINT'] as const).flatMap((signal) => [signalCase(signal, 'heeds'), signalCase(signal, 'ignores')]),
  {
    name: 'engine away at start',
    isFor: (inbox) => isEngine(inbox) || inbox === 'SQLite',
    async run(server) {
      const restore = await server.takeEngineAway()
      await server.start()
      insist((await server.post('job.created')).status === 503, 'a delivery was not refused with 503')
      // Once by the refused delivery, and once by the worker that cannot claim.
      const outages = (): number => server.reports.filter((code) => code === 'store_unavailable').length
      await server.until(() => outages() >= 2, 'the outage is reported')
      await restore()
      const event = await server.send('job.created')
      await server.until(() => server.runsOf(event) === 1, 'the event is handled')
      await server.until(() => server.logs(/available again/), 'the end of the outage is logged')
      return 'recovers'
    },
  },
]

/** A running event, one waiting for its retry and one that arrives later are all handled, without extra runs. */
function clockCase(byMs: number): Case {
  const amount = [`${Math.abs(byMs) / second} s`, `${Math.abs(byMs) / hour} h`, `${Math.abs(byMs) / day} d`]
  const unit = Math.abs(byMs) < hour ? 0 : Math.abs(byMs) < day ? 1 : 2
  return {
    name: `clock set ${byMs > 0 ? 'forward' : 'back'} by ${amount[unit]}`,
    isFor: hasInbox,
    async run(server) {
      await server.start()
      const running = await server.send('artifact.ready')
      const retried = await server.send('job.completed')
      await server.until(() => server.runsOf(running) + server.runsOf(retried) === 2, 'both handlers run')
      // The failed attempt is recorded, and the event waits for its retry.
      await server.untilStats({ running: 1, ready: 1 })
      server.tell({ setClockByMs: byMs })
      const setAtMs = performance.now()
      await server.until(() => server.runsOf(retried) === 2, 'the retry runs')
      const retriedAfterMs = performance.now() - setAtMs
      const later = await server.send('job.created', byMs)
      await server.until(() => server.runsOf(later) === 1, 'a later event is handled')
      // Outlasts the lease, which must be renewed.
      await sleep(Math.max(0, 1.5 * leaseMs - (performance.now() - setAtMs)))
      server.tell({ finish: true })
      await server.untilStats({ done: 3, ready: 0, running: 0, dead: 0 })
      const runs = [running, retried, later].map((event) => server.runsOf(event)).join()
      insist(runs === '1,2,1', `runs of the three events: ${runs}`)
      return `retried after ${(retriedAfterMs / second).toFixed(1)} s`
    },
  }
}

/**
 * Sends a signal during a handler of 30 s. If the handler heeds its `signal`, the process ends on its own; otherwise the
 * server calls `process.exit`.
 */
function signalCase(signal: 'SIGTERM' | 'SIGINT', how: 'heeds' | 'ignores'): Case {
  return {
    name: `${signal}, and a handler of 30 s that ${how} its signal`,
    isFor: () => true,
    async run(server) {
      await server.start()
      if (how === 'ignores') server.tell({ ignoreSignals: true })
      const event = createEvent('artifact.ready')
      // Without an inbox, the reply is sent when the handler ends or is abandoned.
      const reply = server.post(event)
      await server.until(() => server.runsOf(event.event_id) === 1, 'the handler runs')
      if (server.inbox !== 'none') await reply
      const signalledAtMs = performance.now()
      const code = await server.signal(signal)
      const tookMs = performance.now() - signalledAtMs
      insist(code === 0, `exit code ${code}`)
      insist(tookMs < closesWithinMs, `closed after ${Math.round(tookMs)} ms`)
      const { status } = await reply
      insist(status === (server.inbox === 'none' ? 503 : 202), `answered ${status}`)
      const record = await server.recordOf(event.event_id)
      insist(record === undefined || record === 'ready, 0 attempts', `left ${record}`)
      return `ends after ${(tookMs / second).toFixed(1)} s${record === undefined ? '' : ', releases it'}`
    },
  }
}

function insist(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise)
}

/** A server in a separate process, with its inbox in a separate place. */
export class Subject {
  readonly host: HostName
  readonly inbox: InboxName
  readonly reports: string[] = []
  readonly #engine: EngineServer | undefined
  readonly #folder = mkdtempSync(join(tmpdir(), 'scrapenest-lifecycle-'))
  readonly #place = newPlaceName()
  readonly #secret = generateSecret()
  readonly #runs = new Map<string, number>()
  readonly #logged: string[] = []
  #stats: Partial<InboxStats> = {}
  #process: ChildProcess | undefined
  #port = 0

  constructor(host: HostName, inbox: InboxName, engine: EngineServer | undefined) {
    this.host = host
    this.inbox = inbox
    this.#engine = engine
  }

  get #file(): string {
    return join(this.#folder, 'webhooks.db')
  }

  async start(): Promise<void> {
    const parameters = [this.host, this.inbox, this.#engine?.url ?? this.#file, this.#place, this.#secret]
    const started = fork(join(import.meta.dirname, 'lifecycle-process.ts'), parameters, {
      execArgv: ['--conditions=@scrapenest-webhooks/source'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    })
    this.#process = started
    started.on('message', (report: Report) => this.#read(report))
    await this.until(() => this.#port > 0, 'the server listens')
  }

  async dispose(): Promise<void> {
    const child = this.#process
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  tell(command: Command): void {
    this.#process?.send(command)
  }

  /** @returns the exit code. */
  async signal(signal: NodeJS.Signals): Promise<unknown> {
    const child = this.#process as ChildProcess
    const exited = once(child, 'exit')
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), slowestMs).unref()
    const [code, killedBy] = await exited
    clearTimeout(late)
    return code ?? killedBy
  }

  async post(event: object | 'job.created', clockMs = 0): Promise<{ readonly status: number }> {
    const sentAt = new Date(Date.now() + clockMs)
    const delivery = signDelivery(typeof event === 'string' ? createEvent(event) : event, {
      secret: this.#secret,
      sentAt,
    })
    return await deliver(`http://127.0.0.1:${this.#port}/webhooks/scrapenest`, delivery)
  }

  /** Retries, as the sender does, until it is acknowledged. @returns the event's id. */
  async send(type: 'job.created' | 'job.completed' | 'artifact.ready', clockMs = 0): Promise<string> {
    const event = createEvent(type)
    const giveUpAtMs = performance.now() + soonMs
    while ((await this.post(event, clockMs)).status !== 202) {
      if (performance.now() > giveUpAtMs) throw new Error(`not acknowledged within ${soonMs} ms`)
      await sleep(100)
    }
    return event.event_id
  }

  runsOf(eventId: string): number {
    return this.#runs.get(eventId) ?? 0
  }

  logs(message: RegExp): boolean {
    return this.#logged.some((logged) => message.test(logged))
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const giveUpAtMs = performance.now() + soonMs
    while (!condition()) {
      if (performance.now() > giveUpAtMs) throw new Error(`not within ${soonMs} ms: ${what}`)
      await sleep(20)
    }
  }

  async untilStats(wanted: Partial<InboxStats>): Promise<void> {
    const isReached = (): boolean =>
      Object.entries(wanted).every(([state, count]) => this.#stats[state as keyof InboxStats] === count)
    const asking = setInterval(() => this.tell({ stats: true }), 50)
    try {
      await this.until(isReached, JSON.stringify(wanted))
    } catch {
      throw new Error(`not within ${soonMs} ms: ${JSON.stringify(wanted)}, but ${JSON.stringify(this.#stats)}`)
    } finally {
      clearInterval(asking)
    }
  }

  /** The state of an event in a store that outlives its process; `undefined` for other stores. */
  async recordOf(eventId: string): Promise<string | undefined> {
    const inbox = this.#openInbox()
    if (inbox === undefined) return undefined
    try {
      const record = await inbox.get(eventId)
      return `${record?.state}, ${record?.attempts} attempts`
    } finally {
      await inbox.close()
    }
  }

  /** Stops the engine. For SQLite, locks the file as another program could. @returns a function that restores it. */
  async takeEngineAway(): Promise<() => Promise<void>> {
    const engine = this.#engine
    if (engine === undefined) {
      const other = new DatabaseSync(this.#file)
      other.exec('BEGIN EXCLUSIVE')
      return async () => {
        other.exec('ROLLBACK')
        other.close()
      }
    }
    await engine.stop()
    return () => engine.start()
  }

  #openInbox(): Inbox | undefined {
    if (this.inbox === 'SQLite') return sqliteInbox({ file: this.#file })
    if (this.#engine === undefined) return undefined
    return openPlace(this.inbox as InboxEngine, { url: this.#engine.url, name: this.#place }).createInbox()
  }

  #read(report: Report): void {
    if ('port' in report) this.#port = report.port
    if ('ran' in report) this.#runs.set(report.ran, this.runsOf(report.ran) + 1)
    if ('logged' in report) this.#logged.push(report.logged)
    if ('reported' in report) this.reports.push(report.reported)
    if ('stats' in report) this.#stats = report.stats
  }
}

/** Kubernetes' `terminationGracePeriodSeconds`. */
const slowestMs = 30 * second

export interface Combination {
  readonly name: string
  readonly host: HostName
  readonly inbox: InboxName
}

/** @returns a summary of the run. @throws {Error} if the server breaks a promise of the guides. */
export async function runCase({ name, host, inbox }: Combination, engine: EngineServer | undefined): Promise<string> {
  const server = new Subject(host, inbox, engine)
  try {
    return await (cases.find((one) => one.name === name) as Case).run(server)
  } finally {
    await server.dispose()
  }
}

export async function startEngine(inbox: InboxName): Promise<EngineServer | undefined> {
  if (inbox === 'bullmq') return await startRedis()
  return inbox === 'pg-boss' ? await startPostgres() : undefined
}

/** Runs several at a time, because most of them wait. Those that stop their engine run one by one, each on its own engine. */
async function runAll(combinations: readonly Combination[], atOnce: number): Promise<Map<string, string>> {
  const results = new Map<string, string>()
  const engines = new Map<InboxName, EngineServer | undefined>()
  for (const inbox of new Set(combinations.map((one) => one.inbox))) engines.set(inbox, await startEngine(inbox))
  const run = async (one: Combination): Promise<void> => {
    const result = await runCase(one, engines.get(one.inbox)).catch((error: Error) => `FAILED: ${error.message}`)
    results.set(keyOf(one), result)
    console.log(`${one.host}, ${one.inbox}, ${one.name}: ${result}`)
  }
  try {
    const queue = combinations.filter(({ name }) => name !== 'engine away at start')
    const lanes = Array.from({ length: atOnce }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await run(next)
    })
    await Promise.all(lanes)
    for (const one of combinations.filter(({ name }) => name === 'engine away at start')) await run(one)
  } finally {
    for (const engine of engines.values()) await engine?.dispose()
  }
  return results
}

function keyOf({ name, host, inbox }: Combination): string {
  return `${host} ${inbox} ${name}`
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      host: { type: 'string', multiple: true },
      inbox: { type: 'string', multiple: true },
      case: { type: 'string', multiple: true },
      'at-once': { type: 'string', default: '6' },
    },
  })
  const hosts = hostNames.filter((host) => values.host?.includes(host) ?? true)
  const inboxes = inboxNames.filter((inbox) => values.inbox?.includes(inbox) ?? true)
  const chosen = cases.filter(({ name }) => values.case?.some((part) => name.includes(part)) ?? true)
  const combinations = chosen.flatMap(({ name, isFor }) =>
    inboxes.filter(isFor).flatMap((inbox) => hosts.map((host) => ({ name, host, inbox }))),
  )
  const results = await runAll(combinations, Number(values['at-once']))
  for (const inbox of inboxes) {
    const rows = chosen.filter(({ isFor }) => isFor(inbox)).map(({ name }) => name)
    const cell = (host: HostName, name: string): string | undefined => results.get(keyOf({ host, inbox, name }))
    console.log(`\n${inbox}`)
    console.table(
      Object.fromEntries(rows.map((name) => [name, Object.fromEntries(hosts.map((host) => [host, cell(host, name)]))])),
    )
  }
  const failed = [...results.values()].filter((result) => result.startsWith('FAILED')).length
  console.log(failed === 0 ? `All ${results.size} keep what the guides promise.` : `FAILED: ${failed}`)
  if (failed > 0) process.exitCode = 1
}
