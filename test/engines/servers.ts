// Real servers for the tests: each on a free port, with its data in a temporary folder, ended by its process id.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'

export type EngineName = 'redis' | 'postgres'

/** The one command that installs what is missing. */
export const provideCommand = 'scripts/provide-engines.sh'

/** A server that can be stopped and started again, on the same port and with the same data. */
export interface EngineServer {
  readonly url: string
  /** As a crash of the server: it is killed. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Stops it for good, and deletes its data. */
  dispose(): Promise<void>
}

/** Whether the tests can have this engine: by its environment variable, or by its program on this machine. */
export function hasEngine(engine: EngineName): boolean {
  const variable = engine === 'redis' ? 'REDIS_URL' : 'DATABASE_URL'
  return Boolean(process.env[variable]) || hasProgram(engine)
}

/** Whether this machine has the engine's program: what stops and starts a server again needs it. */
export function hasProgram(engine: EngineName): boolean {
  if (engine === 'redis') return findProgram('redis-server') !== undefined
  return findProgram('initdb') !== undefined && postgresUser() !== undefined
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

interface PostgresUser {
  readonly uid?: number
  readonly gid?: number
}

/** PostgreSQL refuses to run as root: then it is started as the user that its package made. */
function postgresUser(): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return {}
  try {
    const id = (flag: string): number =>
      Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

function program(name: string): string {
  const found = findProgram(name)
  if (found === undefined) throw new Error(`There is no ${name} on this machine: ${provideCommand} installs it.`)
  return found
}

function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...debianPostgres(), '/usr/sbin', '/usr/local/bin']
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

/** Debian keeps several versions side by side, and none of them in the path. */
function debianPostgres(): readonly string[] {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return []
  const newestFirst = readdirSync(versions).sort((one, other) => Number(other) - Number(one))
  return newestFirst.map((version) => join(versions, version, 'bin'))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
