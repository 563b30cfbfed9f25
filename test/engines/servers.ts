// Real servers for the tests: each on a free port, with its data in a temporary folder, ended by its process id.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { type PostgresUser, postgresUser, program } from './installed-engines.ts'

/** A server that can be stopped and started again, on the same port and with the same data. */
export interface EngineServer {
  readonly url: string
  /** As a crash of the server: it is killed. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Stops it for good, and deletes its data. */
  dispose(): Promise<void>
}

/** Starts a Redis that loses nothing, unless other arguments say so. Never the one of `REDIS_URL`: this one is stopped. */
export async function startRedis(
  settings: readonly string[] = ['--appendonly', 'yes', '--appendfsync', 'always'],
): Promise<EngineServer> {
  const folder = mkdtempSync(join(tmpdir(), 'scrapenest-redis-'))
  const port = await freePort()
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--daemonize', 'no']
  const server = new Server({
    folder,
    url: `redis://127.0.0.1:${port}`,
    spawn: () => spawn(program('redis-server'), [...fixed, ...settings], { stdio: 'ignore' }),
    async ping(url) {
      const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
      client.on('error', () => {})
      try {
        await client.connect()
        // It refuses commands while it still loads its data.
        await client.ping()
      } finally {
        client.disconnect()
      }
    },
  })
  await server.start()
  return server
}

/** Starts a PostgreSQL with its default durability. Never the one of `DATABASE_URL`: this one is stopped. */
export async function startPostgres(): Promise<EngineServer> {
  const folder = mkdtempSync(join(tmpdir(), 'scrapenest-postgres-'))
  const port = await freePort()
  const user = postgresUser() as PostgresUser
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid as number)
  const identity = user.uid === undefined ? {} : { uid: user.uid, gid: user.gid as number }
  const data = join(folder, 'data')
  const initialise = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync']
  execFileSync(program('initdb'), initialise, { stdio: 'ignore', cwd: folder, ...identity })
  const settings = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder, '-c', 'max_connections=200']
  const server = new Server({
    folder,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    spawn: () => spawn(program('postgres'), settings, { stdio: 'ignore', cwd: folder, ...identity }),
    async ping(url) {
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => {})
      await client.connect()
      await client.end()
    },
  })
  await server.start()
  return server
}

interface ServerOptions {
  readonly folder: string
  readonly url: string
  spawn(): ChildProcess
  ping(url: string): Promise<void>
}

class Server implements EngineServer {
  readonly #options: ServerOptions
  #process: ChildProcess | undefined
  readonly #killWithParent = (): void => void this.#process?.kill('SIGKILL')

  constructor(options: ServerOptions) {
    this.#options = options
  }

  get url(): string {
    return this.#options.url
  }

  async start(): Promise<void> {
    const started = this.#options.spawn()
    this.#process = started
    process.once('exit', this.#killWithParent)
    for (let tries = 0; tries < 600; tries += 1) {
      if (started.exitCode !== null) throw new Error(`${started.spawnfile} ended with ${started.exitCode}.`)
      try {
        await this.#options.ping(this.url)
        return
      } catch {
        await sleep(50)
      }
    }
    throw new Error(`${started.spawnfile} did not answer within 30 s.`)
  }

  async stop(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    process.removeListener('exit', this.#killWithParent)
    if (running === undefined || running.exitCode !== null) return
    const exited = once(running, 'exit')
    // PostgreSQL's children notice by themselves when their parent is gone, but its immediate shutdown is as abrupt.
    running.kill(running.spawnfile.endsWith('postgres') ? 'SIGQUIT' : 'SIGKILL')
    await exited
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.#options.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
