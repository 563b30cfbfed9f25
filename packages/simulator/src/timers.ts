/** Node runs timers with a longer delay immediately, with a TimeoutOverflowWarning. */
const maxDelayMs = 2 ** 31 - 1

/** Timers that can be cleared together, so none keeps the process alive after the simulator closes. */
export class Timers {
  readonly #pending = new Set<NodeJS.Timeout>()
  #isClosed = false

  /** Runs `work` after the delay (up to 24 days), unless `close` is called first. */
  after(delayMs: number, work: () => void): void {
    if (this.#isClosed) return
    const timer = setTimeout(
      () => {
        this.#pending.delete(timer)
        work()
      },
      Math.min(delayMs, maxDelayMs),
    )
    this.#pending.add(timer)
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#pending) clearTimeout(timer)
    this.#pending.clear()
  }
}
