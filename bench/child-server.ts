import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The first key of `benchSecret`. */
export const benchKey: Buffer = Buffer.alloc(32, 7)

/** The secret of every measured server. */
export const benchSecret = `whsec_${benchKey.toString('base64')}`

/** A server in a separate process, so its CPU time excludes the load generator's. */
export interface ChildServer {
  readonly child: ChildProcess
  readonly port: number
}

/** @param file a module that calls `announce` once it listens. */
export async function startChild(file: URL, args: readonly string[]): Promise<ChildServer> {
  const child = fork(fileURLToPath(file), args, {
    env: { ...process.env, BENCH_SECRET: benchSecret, NODE_ENV: 'production' },
  })
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`The server ${args.join(' ')} exited with ${code}.`)
  })
  exited.catch(() => {})
  const [{ port }] = (await Promise.race([once(child, 'message'), exited])) as [{ readonly port: number }]
  return { child, port }
}

/** The CPU time a server has used since it started, in microseconds: every thread of the process, user and system. */
export async function cpuMicroseconds({ child }: ChildServer): Promise<number> {
  child.send('cpu')
  const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage]
  return user + system
}

/** Called by the server: reports the port, answers `cpuMicroseconds`, and exits with the parent. */
export function announce(port: number): void {
  process.on('disconnect', () => process.exit())
  process.on('message', (message) => {
    if (message === 'cpu') process.send?.(process.cpuUsage())
  })
  process.send?.({ port })
}
