import { createHmac, randomUUID } from 'node:crypto'
import { benchKey, type ChildServer, cpuMicroseconds, startChild } from './child-server.ts'
import { eventOfSize } from './events.ts'
import { type LoadResult, load } from './load.ts'
import { type Figure, type Mode, type Overrides, type Section, type Target, timesCheaper } from './report.ts'
import { type Contender, interleave, medianFor, medianOf } from './rounds.ts'

const hosts = ['fastify', 'koa', 'express', 'node'] as const
const contenders = ['plain', 'map', 'ours', 'svix'] as const
const names = {
  plain: 'plain JSON route',
  map: 'plain route + a Map of ids',
  ours: 'ours',
  svix: 'svix recipe',
} as const

interface Effort {
  readonly rounds: number
  /** Deliveries in each round. */
  readonly amount: number
  /** Deliveries before the first round, because a server keeps getting faster long after its first requests. */
  readonly warmUp: number
}

const scenarios: readonly { bytes: number; label: string; short?: Effort; full: Effort }[] = [
  {
    bytes: 500,
    label: '500 B',
    short: { rounds: 3, amount: 2500, warmUp: 5000 },
    full: { rounds: 7, amount: 15_000, warmUp: 25_000 },
  },
  // Full runs only: larger bodies take too long for a short one.
  { bytes: 20_000, label: '20 KB', full: { rounds: 7, amount: 5000, warmUp: 8000 } },
]

/**
 * Bounds on the server's CPU time per delivery. The plain route's time must be at least this fraction of ours, and the svix
 * recipe's at least this multiple of ours.
 */
const bounds: Record<string, { readonly plain: number; readonly svix: number }> = {
  'fastify 500 B': { plain: 0.7, svix: 1.1 },
  'koa 500 B': { plain: 0.8, svix: 1.1 },
  'express 500 B': { plain: 0.8, svix: 1.1 },
  'fastify 20 KB': { plain: 0.55, svix: 2.5 },
  'koa 20 KB': { plain: 0.65, svix: 2.5 },
  'express 20 KB': { plain: 0.65, svix: 2.5 },
}

export const httpSection: Section = {
  name: 'http',
  async run(mode, overrides) {
    const figures: Figure[] = []
    for (const host of hosts) figures.push(...(await measureHost(host, mode, overrides)))
    return { figures, targets: Object.keys(bounds).flatMap((scenario) => targetsFor(scenario, figures)) }
  },
}

async function measureHost(host: string, mode: Mode, { rounds, deliveries }: Overrides): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const { bytes, label, [mode]: effort } of scenarios) {
    if (effort === undefined) continue
    const { amount, warmUp } = deliveries === undefined ? effort : { amount: deliveries, warmUp: deliveries }
    const scenario = `${host} ${label}`
    figures.push(...(await measure(host, { scenario, bytes, amount, warmUp, rounds: rounds ?? effort.rounds })))
  }
  return figures
}

function targetsFor(scenario: string, figures: readonly Figure[]): Target[] {
  // A short run measures one size only.
  if (!figures.some((figure) => figure.scenario === scenario)) return []
  const cpu = (contender: string): number => medianFor(figures, scenario, contender)
  const rate = (contender: string): number => rateOf(figures, scenario, contender)
  return (['plain', 'svix'] as const).map((peer) => ({
    ...timesCheaper({
      what: `${scenario}: CPU per delivery, ${names[peer]} / ours`,
      ours: cpu(names.ours),
      theirs: cpu(names[peer]),
      unit: 'µs of CPU per delivery',
      atLeast: (bounds[scenario] as (typeof bounds)[string])[peer],
    }),
    note: `by requests per second ${(rate(names.ours) / rate(names[peer])).toFixed(2)}`,
  }))
}

function rateOf(figures: readonly Figure[], scenario: string, contender: string): number {
  const figure = figures.find((candidate) => candidate.scenario === scenario && candidate.contender === contender)
  return figure?.also?.find(({ unit }) => unit === 'req/s')?.median ?? Number.NaN
}

async function measure(
  host: string,
  { scenario, bytes, amount, rounds, warmUp }: Effort & { readonly scenario: string; readonly bytes: number },
): Promise<Figure[]> {
  const servers = await Promise.all(contenders.map((contender) => startServer(host, contender)))
  const results = contenders.map((): Measured[] => [])
  const runners = contenders.map(
    (contender, index): Contender => ({
      name: names[contender],
      async round() {
        const result = await measureDeliveries(servers[index] as ChildServer, { bytes, amount })
        results[index]?.push(result)
        return result.cpuPerDelivery
      },
    }),
  )
  try {
    for (const { port } of servers) await loadWithEvents(port, { bytes, amount: warmUp })
    const figures = await interleave(runners, { rounds, section: 'http', scenario, unit: 'µs CPU' })
    return figures.map((figure, index) => {
      // The first round warms up.
      const counted = (results[index] as Measured[]).slice(1)
      const also = [
        { unit: 'req/s', median: medianOf(counted.map(({ repliesPerSecond }) => repliesPerSecond)) },
        { unit: 'ms p99', median: medianOf(counted.map(({ p99Ms }) => p99Ms)) },
      ]
      return { ...figure, also }
    })
  } finally {
    for (const { child } of servers) child.kill()
  }
}

export async function startServer(host: string, contender: string): Promise<ChildServer> {
  return await startChild(new URL('./http-server.ts', import.meta.url), [host, contender])
}

interface DeliveriesOptions {
  readonly bytes: number
  readonly amount: number
  readonly connections?: number
  /** @default the first key of the server's secret */
  readonly key?: Buffer | undefined
}

export interface Measured extends LoadResult {
  /** The server's CPU time, in microseconds. */
  readonly cpuPerDelivery: number
}

/** Sends deliveries, each a new event signed in advance, and measures the CPU time that the server needs for them. */
export async function measureDeliveries(server: ChildServer, options: DeliveriesOptions): Promise<Measured> {
  const requests = signedRequests(options)
  const before = await cpuMicroseconds(server)
  const result = await send(server.port, requests, options)
  return { ...result, cpuPerDelivery: ((await cpuMicroseconds(server)) - before) / options.amount }
}

/** Sends deliveries, each a new event signed in advance. Any reply but `accepted` fails the run. */
export async function loadWithEvents(port: number, options: DeliveriesOptions): Promise<LoadResult> {
  return await send(port, signedRequests(options), options)
}

async function send(
  port: number,
  requests: readonly Buffer[],
  { connections = 32 }: DeliveriesOptions,
): Promise<LoadResult> {
  return await load(port, requests, { connections, expectedBody: '{"status":"accepted"}' })
}

function signedRequests({ bytes, amount, key = benchKey }: DeliveriesOptions): Buffer[] {
  return Array.from({ length: amount }, () => signedRequest(bytes, key))
}

function signedRequest(bytes: number, key: Buffer): Buffer {
  const body = eventOfSize(bytes)
  const id = `msg_${randomUUID()}`
  const timestamp = String(Math.floor(Date.now() / 1000))
  const headers = {
    host: '127.0.0.1',
    'user-agent': 'bench',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'svix-id': id,
    'svix-timestamp': timestamp,
    'svix-signature': `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST /hook HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}
