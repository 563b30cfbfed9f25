// Which servers the tests can use on this machine.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pnpmCommand } from '../../scripts/pnpm.ts'

export type EngineName = 'redis' | 'postgres'

/** The command that installs missing engines. */
export const provideCommand: string = pnpmCommand('engines')

/** Whether a run without engines fails. On CI it does, because a notice would go unread. */
export const mustHaveEngines: boolean = Boolean(process.env['CI']) && !process.env['WITHOUT_ENGINES']

/** Whether the tests can use this engine, through its environment variable or its installed program. */
export function hasEngine(engine: EngineName): boolean {
  const variable = engine === 'redis' ? 'REDIS_URL' : 'DATABASE_URL'
  return Boolean(process.env[variable]) || hasProgram(engine)
}

/** Whether the engine's program is installed, which tests need to stop and restart a server. */
export function hasProgram(engine: EngineName): boolean {
  if (engine === 'redis') return findProgram('redis-server') !== undefined
  return findProgram('initdb') !== undefined && postgresUser() !== undefined
}

export interface PostgresUser {
  readonly uid?: number
  readonly gid?: number
}

/** PostgreSQL refuses to run as root, so root starts it as the user that its package created. */
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
  if (found === undefined) throw new Error(`${name} is not installed. ${provideCommand} installs it.`)
  return found
}

export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...debianPostgres(), '/usr/sbin', '/usr/local/bin']
  const file = process.platform === 'win32' ? `${name}.exe` : name
  return folders.map((folder) => join(folder, file)).find((path) => existsSync(path))
}

/** Debian installs versions side by side, outside the PATH. */
function debianPostgres(): readonly string[] {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return []
  const newestFirst = readdirSync(versions).sort((one, other) => Number(other) - Number(one))
  return newestFirst.map((version) => join(versions, version, 'bin'))
}
