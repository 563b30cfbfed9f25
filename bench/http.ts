import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { sign } from '@scrapenest-webhooks/core'
import { eventOfSize } from './events.ts'
import { type LoadResult, load } from './load.ts'
import type { Figure, Section, Target } from './report.ts'
import { type Contender, interleave, medianFor } from './rounds.ts'

export const benchSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const hosts = ['fastify', 'koa', 'express', 'node'] as const
const contenders = ['plain', 'ours', 'svix'] as const
const names = { plain: 'plain JSON route, no verification', ours: 'ours', svix: 'svix recipe' } as const

interface Effort {
  readonly rounds: number
  /** Deliveries in each round. */
  readonly amount: number
  /** Deliveries before the first round: a server goes on getting faster long after its first requests. */
  readonly warmUp: number
}

const scenarios: readonly { bytes: number; label: string; short?: Effort; full: Effort }[] = [
  {
    bytes: 500,
    label: '500 B',
    short: { rounds: 3, amount: 2500, warmUp: 5000 },
    full: { rounds: 9, amount: 25_000, warmUp: 40_000 },
  },
  // Left out of the short run: the larger bodies would make it a long one.
  { bytes: 20_000, label: '20 KB', full: { rounds: 9, amount: 6000, warmUp: 10_000 } },
]

/** What is promised per host and size: against the plain route, and against the documented svix recipe. */
const bounds: Record<string, { plain: number; svix: number }> = {
  'fastify 500 B': { plain: 0.7, svix: 1.1 },
  'koa 500 B': { plain: 0.8, svix: 1.2 },
  'express 500 B': { plain: 0.8, svix: 1.2 },
  'fastify 20 KB': { plain: 0.7, svix: 2.5 },
  'koa 20 KB': { plain: 0.7, svix: 2.5 },
  'express 20 KB': { plain: 0.7, svix: 2.5 },
}

export const httpSection: Section = {
  name: 'http',
  async run(mode) {
    const figures: Figure[] = []
    const targets: Target[] = []
    for (const host of hosts) {
      for (const { bytes, label, [mode]: effort } of scenarios) {
        if (effort === undefined) continue
        const scenario = `${host} ${label}`
        figures.push(...(await measure(host, { scenario, bytes, ...effort })))
        targets.push(...targetsFor(scenario, figures))
      }
    }
    return { figures, targets }
  },
}

function targetsFor(scenario: string, figures: readonly Figure[]): Target[] {
  const bound = bounds[scenario]
  if (bound === undefined) return []
  const ours = medianFor(figures, scenario, names.ours)
  return [
    {
      what: `${scenario}: ours against the plain JSON route`,
      ratio: ours / medianFor(figures, scenario, names.plain),
      atLeast: bound.plain,
    },
    {
      what: `${scenario}: ours against the svix recipe`,
      ratio: ours / medianFor(figures, scenario, names.svix),
      atLeast: bound.svix,
    },
  ]
}

async function measure(
  host: string,
  { scenario, bytes, amount, rounds, warmUp }: Effort & { readonly scenario: string; readonly bytes: number },
): Promise<Figure[]> {
  const servers = await Promise.all(contenders.map((contender) => startServer(host, contender)))
  const runners = contenders.map((contender, index): Contender => {
    const { port } = servers[index] as BenchServer
    return {
      name: names[contender],
      round: async () => (await loadWithEvents(port, { bytes, amount })).repliesPerSecond,
    }
  })
  try {
    for (const { port } of servers) await loadWithEvents(port, { bytes, amount: warmUp })
    return await interleave(runners, { rounds, section: 'http', scenario, unit: 'req/s' })
  } finally {
    for (const { child } of servers) child.kill()
  }
}

export interface BenchServer {
  readonly child: ChildProcess
  readonly port: number
}

export async function startServer(
  host: string,
  contender: string,
  execArgv: readonly string[] = [],
): Promise<BenchServer> {
  const child = fork(fileURLToPath(new URL('./http-server.ts', import.meta.url)), [host, contender], {
    env: { ...process.env, BENCH_SECRET: benchSecret, NODE_ENV: 'production' },
    execArgv: [...process.execArgv, ...execArgv],
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port))
    child.once('exit', (code) => reject(new Error(`The ${host} server for ${contender} ended with ${code}.`)))
  })
  return { child, port }
}

/** Every delivery is a new event, signed before the clock starts; any answer but `accepted` fails the run. */
export async function loadWithEvents(
  port: number,
  {
    bytes,
    amount,
    connections = 32,
  }: { readonly bytes: number; readonly amount: number; readonly connections?: number },
): Promise<LoadResult> {
  const requests = Array.from({ length: amount }, () => signedRequest(bytes))
  return await load(port, requests, { connections, expectedBody: '{"status":"accepted"}' })
}

function signedRequest(bytes: number): Buffer {
  const body = eventOfSize(bytes)
  const signature = sign({ id: `msg_${randomUUID()}`, timestamp: new Date(), body }, benchSecret)
  const headers = {
    host: '127.0.0.1',
    'user-agent': 'bench',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...signature,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST /hook HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}
