// Real servers for the tests, each on a free port, with its data in a temporary folder.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { freePort } from '../free-port.ts'
import { type PostgresUser, postgresUser, program } from './installed-engines.ts'

/** A server that can be stopped and restarted on the same port with the same data. */
export interface EngineServer {
  readonly url: string
  /** Kills the server, like a crash. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Stops the server and deletes its data. */
  dispose(): Promise<void>
}

/** Starts a Redis with durable settings unless other arguments are given. Ignores `REDIS_URL`, because tests stop it. */
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
      const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false })
      client.on('error', () => {})
      try {
        await client.connect()
        // Redis refuses commands while it loads its data.
        await client.ping()
      } catch (error) {
        // A Redis that requires a password is up.
        if (!/NOAUTH/.test(String(error))) throw error
      } finally {
        client.disconnect()
      }
    },
  })
  await server.start()
  return server
}

/** Starts a PostgreSQL with its default durability. Ignores `DATABASE_URL`, because tests stop it. */
export async function startPostgres(): Promise<EngineServer> {
  const folder = mkdtempSync(join(tmpdir(), 'scrapenest-postgres-'))
  const port = await freePort()
  const user = postgresUser() as PostgresUser
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid as number)
  const identity = user.uid === undefined ? {} : { uid: user.uid, gid: user.gid as number }
  const data = join(folder, 'data')
  const options = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync']
  execFileSync(program('initdb'), options, { stdio: 'ignore', cwd: folder, ...identity })
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
    // An immediate shutdown is as abrupt as a kill and also ends PostgreSQL's child processes.
    running.kill(running.spawnfile.endsWith('postgres') ? 'SIGQUIT' : 'SIGKILL')
    await exited
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.#options.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
