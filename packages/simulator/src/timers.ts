/** Timers that can be cleared all at once, so that none keeps the process alive after the simulator closes. */
export class Timers {
  readonly #pending = new Set<NodeJS.Timeout>()
  #isClosed = false

  /** Runs `work` after the delay, unless `close` comes first. */
  after(delayMs: number, work: () => void): void {
    if (this.#isClosed) return
    const timer = setTimeout(() => {
      this.#pending.delete(timer)
      work()
    }, delayMs)
    this.#pending.add(timer)
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#pending) clearTimeout(timer)
    this.#pending.clear()
  }
}
