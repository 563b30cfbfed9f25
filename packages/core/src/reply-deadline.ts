import type { WebhookError } from './errors.ts'

/** One timer for a whole delivery: whatever is waited for when it fires, is waited for no longer. */
export class ReplyDeadline {
  readonly #timer: NodeJS.Timeout
  #isOver = false
  #onExpiry: (() => void) | undefined

  constructor(timeoutMs: number) {
    this.#timer = setTimeout(() => this.#expire(), timeoutMs)
  }

  /** Settles as `work` does, or rejects at the deadline with the error that `late` makes. `work` itself goes on. */
  race<Result>(work: Promise<Result>, late: () => WebhookError): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#onExpiry = () => reject(late())
      if (this.#isOver) this.#onExpiry()
      work.then(resolve, reject)
    })
  }

  clear(): void {
    clearTimeout(this.#timer)
  }

  #expire(): void {
    this.#isOver = true
    this.#onExpiry?.()
  }
}
