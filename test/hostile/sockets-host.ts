import type { AddressInfo } from 'node:net'
import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'
import { scrapenestWebhooks } from '@scrapenest-webhooks/fastify'
import type { ConformanceServer } from '@scrapenest-webhooks/testing'
import fastify from 'fastify'
import { targets } from '../conformance/targets.ts'
import { Arena, path, pause, whole } from './arena.ts'
import { type Budget, Tally } from './family.ts'
import { http2Scenarios } from './http2-scenarios.ts'
import { countingStrays } from './quiet.ts'
import { exchange } from './raw-client.ts'
import { http1Scenarios, type SocketScenario } from './socket-scenarios.ts'

/** `sockets-host.ts <host> <budget> <seed>` runs every scenario on one host and prints the result as JSON on the last line. */
const [host = '', budget = 'short', seed = '1', only = ''] = process.argv.slice(2)
const isHttp2 = host.endsWith('HTTP/2')
const maxHeapGrowth = 5 * 1024 * 1024

const tally = new Tally(host)
let greatest = 0
const scenarios = (isHttp2 ? http2Scenarios : http1Scenarios).filter(({ name }) => name.includes(only))
// Frameworks load and compile code on their first requests, which is not a leak.
for (const scenario of scenarios.slice(0, 2)) await runScenario(scenario)

let before = await heapBytes()
for (const scenario of scenarios) {
  const resources = openResources()
  const startedAtMs = performance.now()
  const { result: arena, strays } = await countingStrays(() => runScenario(scenario))
  if (process.env['HOSTILE_TIMES']) console.error(`${scenario.name}: ${Math.round(performance.now() - startedAtMs)} ms`)
  for (const problem of [...arena.problems, ...strays]) tally.fail(`${host}, ${scenario.name}: ${problem}`)
  tally.count(arena.cases)
  // The records for the checks are not a leak either.
  arena.outcomes.length = 0
  arena.handled.length = 0
  const left = await resourcesLeft(resources)
  tally.check(left === '', () => `${host}, ${scenario.name}: left open: ${left}`)
  const after = await settledHeapBytes(before)
  const grown = after - before
  before = after
  greatest = Math.max(greatest, grown)
  tally.check(grown <= maxHeapGrowth, () => `${host}, ${scenario.name}: the heap grew by ${megabytes(grown)} MiB`)
}
tally.remark(`${scenarios.length} scenarios, the heap grew by at most ${megabytes(greatest)} MiB in one`)
console.log(JSON.stringify(tally.result))

async function runScenario(scenario: SocketScenario): Promise<Arena> {
  const replyTimeoutMs = scenario.replyTimeoutMs?.(budget as Budget) ?? 10_000
  const arena = new Arena({ budget: budget as Budget, seed: Number(seed), replyTimeoutMs })
  const server = await listen(arena.ready)
  arena.port = server.port
  try {
    await scenario.run(arena)
    if (!isHttp2)
      arena.expectStatuses(
        'an honest delivery afterward',
        (await exchange(arena.port, [whole(arena.sign())])).replies,
        202,
      )
  } catch (error) {
    arena.problems.push(`the scenario itself failed: ${error instanceof Error ? error.stack : String(error)}`)
  } finally {
    await server.close()
    await arena.receiver.close()
  }
  return arena
}

async function listen(receiver: ReadyReceiver): Promise<ConformanceServer> {
  if (isHttp2) return await listenOnHttp2(receiver)
  const target = targets.find(({ name }) => name === host)
  if (target === undefined) throw new Error(`There is no host ${host}.`)
  return (await target.listen(receiver, 'bare')) as ConformanceServer
}

async function listenOnHttp2(receiver: ReadyReceiver): Promise<ConformanceServer> {
  const app = fastify({ http2: true, http2SessionTimeout: 60_000 })
  await app.register(scrapenestWebhooks, { receiver, path })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, close: async () => void (await app.close()) }
}

/** The resources that keep this process alive, apart from its output. */
function openResources(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap' && name !== 'TTYWrap')
}

async function resourcesLeft(before: readonly string[]): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (openResources().length <= before.length) return ''
    await pause(20)
  }
  return openResources().join(', ')
}

async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.()
    await pause(5)
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Sockets are released some turns after they close. */
async function settledHeapBytes(before: number): Promise<number> {
  let after = await heapBytes()
  for (let attempt = 0; attempt < 30 && after - before > maxHeapGrowth; attempt += 1) {
    await pause(100)
    after = await heapBytes()
  }
  return after
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}
