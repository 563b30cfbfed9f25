/** Timers that can be ended all at once, so that nothing is left over when the simulator closes. */
export class Timers {
  readonly #running = new Set<NodeJS.Timeout>()
  #closed = false

  after(milliseconds: number, work: () => void): void {
    if (this.#closed) return
    const timer = setTimeout(() => {
      this.#running.delete(timer)
      work()
    }, milliseconds)
    this.#running.add(timer)
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#running) clearTimeout(timer)
    this.#running.clear()
  }
}
