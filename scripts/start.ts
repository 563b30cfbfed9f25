import { spawnSync } from 'node:child_process'

/** What `spawn` and `execFile` take. */
export interface Start {
  readonly program: string
  readonly parameters: readonly string[]
  readonly shell: boolean
}

/**
 * How to start a program on any platform. npm and npx are batch files on Windows, which Node starts only in a shell. There, each
 * parameter is quoted, because paths contain spaces.
 */
export function startOf(
  program: string,
  parameters: readonly string[],
  platform: NodeJS.Platform = process.platform,
): Start {
  if (platform !== 'win32' || !['npm', 'npx'].includes(program)) return { program, parameters, shell: false }
  return { program, parameters: parameters.map((parameter) => `"${parameter}"`), shell: true }
}

/** Runs a program with the output of this process. @throws unless it exits with 0. */
export function runVisibly(program: string, parameters: readonly string[], folder?: string): void {
  const start = startOf(program, parameters)
  const { status, signal, error } = spawnSync(start.program, start.parameters, {
    cwd: folder,
    shell: start.shell,
    stdio: 'inherit',
  })
  if (status === 0) return
  const reason = error?.message ?? `exited with ${status ?? signal}`
  throw new Error(`${[program, ...parameters].join(' ')}: ${reason}`)
}
