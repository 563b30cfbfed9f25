import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

const startLimitMs = 15_000
const stopLimitMs = 5_000

/** An example that runs as a process of its own, as its `start` script runs it. */
export interface StartedExample {
  readonly url: string
  /** All it has written so far, on stdout and stderr. */
  readonly output: () => string
  /** Resolves when the output holds the text; rejects with the whole output when it does not in time. */
  readonly printed: (text: string) => Promise<void>
  /** Ends the process, by its id, and resolves when it is gone. */
  readonly stop: () => Promise<void>
}

/**
 * Starts `examples/<name>` in `workingDirectory`. Between the choice of a free port and the example's own listening
 * another process may take the port, so it is tried with up to three ports.
 */
export async function startExample(
  name: string,
  options: { readonly workingDirectory: string; readonly secret: string },
): Promise<StartedExample> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(name, options)
    } catch (error) {
      if (attempt === 3 || !String(error).includes('EADDRINUSE')) throw error
    }
  }
}

async function startOnce(
  name: string,
  { workingDirectory, secret }: { readonly workingDirectory: string; readonly secret: string },
): Promise<StartedExample> {
  const port = await freePort()
  const folder = join(import.meta.dirname, '../../examples', name)
  const child = spawn(process.execPath, [join(folder, await startedFile(folder))], {
    cwd: workingDirectory,
    env: { ...process.env, PORT: String(port), SCRAPENEST_WEBHOOK_SECRET: secret },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const example = observe(child, `http://localhost:${port}`)
  try {
    await example.printed(`Listening at ${example.url}`)
  } catch (error) {
    await example.stop()
    throw error
  }
  return example
}

/** What `pnpm start` would run: the script is checked and not only its file. */
async function startedFile(folder: string): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const file = /^node (\S+)$/.exec(scripts.start)?.[1]
  if (file === undefined) throw new Error(`Expected the script "start" of ${folder} to be "node <file>".`)
  return file
}

function observe(child: ChildProcess, url: string): StartedExample {
  let output = ''
  const listeners = new Set<() => void>()
  const changed = (): void => {
    for (const listener of listeners) listener()
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      changed()
    })
  }
  const exited = once(child, 'exit').then(changed)

  function printed(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle(() => reject(new Error(`Never printed "${text}". Output:\n${output}`))),
        startLimitMs,
      )
      function settle(end: () => void): void {
        clearTimeout(timer)
        listeners.delete(look)
        end()
      }
      function look(): void {
        if (output.includes(text)) settle(resolve)
        else if (child.exitCode !== null)
          settle(() => reject(new Error(`Ended before it printed "${text}". Output:\n${output}`)))
      }
      listeners.add(look)
      look()
    })
  }

  async function stop(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
      await exited
      clearTimeout(timer)
    }
  }

  return { url, output: () => output, printed, stop }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
