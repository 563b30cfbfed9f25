import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** Restarts a worker when it dies, as systemd or a container platform does. */
export class Supervisor {
  readonly #file: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #processes = new Set<ChildProcess>()
  #isStopping = false
  kills = 0

  /** @param file the worker's module. */
  constructor(file: string, environment: Readonly<Record<string, string>> = {}) {
    this.#file = file
    this.#environment = environment
  }

  run(parameters: readonly string[]): void {
    const child = fork(this.#file, parameters, { env: { ...process.env, ...this.#environment } })
    this.#processes.add(child)
    child.once('exit', (_code, signal) => {
      this.#processes.delete(child)
      if (signal === 'SIGKILL') this.kills += 1
      if (!this.#isStopping) this.run(parameters)
    })
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const exits = [...this.#processes].map((child) => once(child, 'exit'))
    for (const child of this.#processes) child.kill('SIGTERM')
    await Promise.all(exits)
  }
}
