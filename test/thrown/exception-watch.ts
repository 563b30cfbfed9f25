import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** An exception, caught or not, and the code of this repository's packages that threw it. */
export interface Thrown {
  readonly error: string
  /** The function, with its file and line. */
  readonly thrower: string
}

/**
 * Sees every exception that the packages of this repository throw in this thread, also those that they catch. A debugger in a
 * second thread stops this one at each exception. Exceptions thrown inside a dependency are left out; those thrown by
 * Node.js itself belong to the code that called it.
 */
export class ExceptionWatch {
  readonly #debugger: Worker

  private constructor(started: Worker) {
    this.#debugger = started
  }

  static async start(): Promise<ExceptionWatch> {
    const started = new Worker(new URL('exception-debugger.ts', import.meta.url))
    await once(started, 'message')
    return new ExceptionWatch(started)
  }

  /** What was thrown since the start or the previous call. */
  async take(): Promise<readonly Thrown[]> {
    const answered = once(this.#debugger, 'message')
    this.#debugger.postMessage('take')
    const [thrown] = (await answered) as [readonly Thrown[]]
    return thrown
  }

  async stop(): Promise<void> {
    await this.#debugger.terminate()
  }
}
