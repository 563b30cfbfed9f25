import type { WebhookError } from './errors.ts'

/** One timer for a whole delivery: whatever is waited for when it fires, is waited for no longer. */
export class ReplyDeadline {
  readonly #timer: NodeJS.Timeout
  #onExpiry: (() => void) | undefined

  constructor(timeoutMs: number) {
    this.#timer = setTimeout(() => this.#onExpiry?.(), timeoutMs)
  }

  /** Settles as `work` does, or rejects at the deadline with the error that `late` makes. `work` itself goes on. */
  race<Result>(work: Promise<Result>, late: () => WebhookError): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#onExpiry = () => reject(late())
      work.then(resolve, reject)
    })
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}
