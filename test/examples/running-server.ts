import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { freePort } from '../free-port.ts'

const startLimitMs = 15_000
const stopLimitMs = 5_000

/** A server in a separate process. */
export interface RunningServer {
  readonly url: string
  /** Its output so far, stdout and stderr. */
  readonly output: () => string
  /** Resolves when the output contains the text. Rejects with the whole output on a timeout. */
  readonly printed: (text: string) => Promise<void>
  /** Ends the process and resolves once it is gone. Kills it after `limitMs` (5000). */
  readonly stop: (limitMs?: number) => Promise<void>
}

export interface ServerCommand {
  readonly program: string
  readonly arguments: readonly string[]
  readonly workingDirectory: string
  readonly environment: NodeJS.ProcessEnv
}

/**
 * Starts a server and waits until it accepts connections. Tries up to three ports, because another process may take the chosen
 * port before the server listens on it.
 */
export async function startServer(
  commandFor: (port: number) => ServerCommand | Promise<ServerCommand>,
): Promise<RunningServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const server = run(await commandFor(port), port)
    try {
      await server.listening
      return server
    } catch (error) {
      await server.stop()
      if (attempt === 3 || !server.output().includes('EADDRINUSE')) throw error
    }
  }
}

function run(command: ServerCommand, port: number): RunningServer & { readonly listening: Promise<void> } {
  const child = spawn(command.program, command.arguments, {
    cwd: command.workingDirectory,
    env: command.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const watchers = new Set<() => void>()
  const changed = (): void => {
    for (const watcher of watchers) watcher()
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      changed()
    })
  }
  child.once('exit', changed)

  function printed(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(new Error(`Never printed "${text}".\n${output}`)), startLimitMs)
      function end(error?: Error): void {
        clearTimeout(timer)
        watchers.delete(look)
        if (error === undefined) resolve()
        else reject(error)
      }
      function look(): void {
        if (output.includes(text)) end()
        else if (hasEnded(child)) end(new Error(`Ended before it printed "${text}".\n${output}`))
      }
      watchers.add(look)
      look()
    })
  }

  return {
    url: `http://localhost:${port}`,
    listening: accepts(port, child).catch((error: Error) => {
      throw new Error(`${error.message}\n${output}`)
    }),
    output: () => output,
    printed,
    stop: (limitMs = stopLimitMs) => stop(child, limitMs),
  }
}

/** Resolves when the port accepts connections. Rejects when the process ends first, or on a timeout. */
async function accepts(port: number, child: ChildProcess): Promise<void> {
  const endsAtMs = performance.now() + startLimitMs
  while (performance.now() < endsAtMs) {
    if (hasEnded(child)) throw new Error('The server ended before it listened.')
    const socket = connect({ port, host: 'localhost' })
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`The server did not listen within ${startLimitMs} ms.`)
}

async function stop(child: ChildProcess, limitMs: number): Promise<void> {
  if (hasEnded(child)) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  await exited
  clearTimeout(timer)
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
