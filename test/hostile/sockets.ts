import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type Budget, type Family, type FamilyResult, Tally } from './family.ts'

/** Every host with an adapter, in its newest and oldest major, and Fastify on HTTP/2. */
export const hosts = [
  'fetch',
  'node',
  'fastify 5',
  'fastify 4',
  'koa 3',
  'koa 2',
  'express 5',
  'express 4',
  'fastify 5 on HTTP/2',
] as const

const limitMs: Readonly<Record<Budget, number>> = { short: 60_000, full: 600_000 }

/**
 * Runs hostile clients on raw sockets against every host. Each host has a separate process, so that a leaked handle, memory or
 * rejection can be attributed to it.
 */
export const run: Family = async ({ budget, seed }) => {
  const tally = new Tally('sockets')
  const waiting = [...hosts]
  async function work(): Promise<void> {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
      const result = await runHost(host, budget, seed)
      tally.add({ ...result, remarks: result.remarks.map((remark) => `${host}: ${remark}`) })
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
  return tally.result
}

function runHost(host: string, budget: Budget, seed: number): Promise<Omit<FamilyResult, 'family'>> {
  const program = fileURLToPath(new URL('sockets-host.ts', import.meta.url))
  const nodeArguments = ['--expose-gc', '--conditions=@scrapenest-webhooks/source', program, host, budget, String(seed)]
  // A thousand clients and their server in one process need more than two thousand descriptors.
  const child = spawn(
    '/bin/sh',
    ['-c', 'ulimit -n 8192 2>/dev/null || true; exec "$0" "$@"', process.execPath, ...nodeArguments],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs[budget])
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const last = stdout.trimEnd().split('\n').at(-1) ?? ''
      if (code === 0 && last.startsWith('{')) resolve(JSON.parse(last))
      else
        resolve({
          cases: 1,
          failures: [`${host}: the process ended with ${code ?? signal}: ${stdout}${stderr}`],
          remarks: [],
        })
    })
  })
}
