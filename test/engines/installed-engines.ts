// Which servers the tests can have on this machine.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pnpmCommand } from '../../scripts/pnpm.ts'

export type EngineName = 'redis' | 'postgres'

/** The one command that installs what is missing. */
export const provideCommand: string = pnpmCommand('engines')

/** Whether a run without engines fails: nobody reads the last lines of a machine's run. */
export const mustHaveEngines: boolean = Boolean(process.env['CI']) && !process.env['WITHOUT_ENGINES']

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

export interface PostgresUser {
  readonly uid?: number
  readonly gid?: number
}

/** PostgreSQL refuses to run as root: then it is started as the user that its package made. */
export function postgresUser(): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return {}
  try {
    const id = (flag: string): number =>
      Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

export function program(name: string): string {
  const found = findProgram(name)
  if (found === undefined) throw new Error(`There is no ${name} on this machine: ${provideCommand} installs it.`)
  return found
}

export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...debianPostgres(), '/usr/sbin', '/usr/local/bin']
  const file = process.platform === 'win32' ? `${name}.exe` : name
  return folders.map((folder) => join(folder, file)).find((path) => existsSync(path))
}

/** Debian keeps several versions side by side, and none of them in the path. */
function debianPostgres(): readonly string[] {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return []
  const newestFirst = readdirSync(versions).sort((one, other) => Number(other) - Number(one))
  return newestFirst.map((version) => join(versions, version, 'bin'))
}
