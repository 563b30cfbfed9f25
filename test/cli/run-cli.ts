import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach } from 'vitest'

export const main: string = join(import.meta.dirname, '../../packages/cli/src/main.ts')

export interface CliResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  /** The lines of stdout, parsed as JSON. */
  json(): Record<string, unknown>[]
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: Uint8Array
  readonly cwd?: string
}

function start(parameters: readonly string[], { env, cwd }: CliOptions = {}): ChildProcessWithoutNullStreams {
  const { SCRAPENEST_API_KEY: _key, SCRAPENEST_WEBHOOK_SECRET: _secret, FORCE_COLOR: _color, ...clean } = process.env
  return spawn(process.execPath, [main, ...parameters], {
    env: { ...clean, ...env },
    ...(cwd !== undefined && { cwd }),
  })
}

/** Runs a command until it exits. */
export function runCli(parameters: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return finish(start(parameters, options), options.input)
}

/** Runs a command that does not exit, and stops it at its first output. */
export function stopAfterStart(
  parameters: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  const child = start(parameters, { env })
  child.stdout.once('data', () => child.kill('SIGTERM'))
  return finish(child)
}

function finish(child: ChildProcessWithoutNullStreams, input?: Uint8Array): Promise<CliResult> {
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin.end(input)
  const json = (): Record<string, unknown>[] =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr, json }))
  })
}

export interface RunningCli {
  readonly pid: number
  /** The lines so far, parsed as JSON. */
  readonly lines: readonly Record<string, unknown>[]
  /** Resolves with the first matching line. */
  line(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  /** Sends SIGTERM. @returns the exit code. */
  stop(): Promise<number | null>
}

const running: ChildProcessWithoutNullStreams[] = []

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

/** Starts a command that prints JSON and runs until it is stopped. */
export function startCli(parameters: readonly string[], options: CliOptions = {}): RunningCli {
  const child = start(parameters, options)
  running.push(child)
  const lines: Record<string, unknown>[] = []
  const listeners = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    // A killed command leaves the spaces that it writes to detect a closed pipe.
    if (text.trim() === '') return
    lines.push(JSON.parse(text))
    for (const listener of listeners) listener()
  })
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    pid: child.pid as number,
    lines,
    line: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = lines.find(fits)
          if (found !== undefined) resolve(found)
        }
        listeners.add(look)
        look()
      }),
    stop: () => {
      child.kill('SIGTERM')
      return exited
    },
  }
}
