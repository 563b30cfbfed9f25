import type { Reception } from './reception.ts'

/**
 * The requests that are being worked on. Ends the wait for those that take too long, with one timer for all of them (one
 * for each would be made and cleared for nothing), and tells when no handler runs any more.
 */
export class InFlight<Context> {
  /** Not late yet. All may take equally long, so the oldest is always the next to be late. */
  readonly #inTime = new Set<Reception<Context>>()
  /** Answered without a result, and still worked on. */
  readonly #late = new Set<Reception<Context>>()
  readonly #timeoutMs: number
  readonly #onLate: (reception: Reception<Context>) => void
  #timer: NodeJS.Timeout | undefined
  #onDelete: (() => void) | undefined

  constructor(timeoutMs: number, onLate: (reception: Reception<Context>) => void) {
    this.#timeoutMs = timeoutMs
    this.#onLate = onLate
  }

  add(reception: Reception<Context>): void {
    this.#inTime.add(reception)
    if (this.#timer === undefined) this.#checkAfter(this.#timeoutMs)
    // The timer outlives the request that began it, to be there for the next ones; it keeps the process alive as long as
    // somebody waits, and no longer.
    else if (this.#inTime.size === 1) this.#timer.ref()
  }

  delete(reception: Reception<Context>): void {
    if (!this.#inTime.delete(reception)) this.#late.delete(reception)
    else if (this.#inTime.size === 0) this.#rest()
    this.#onDelete?.()
  }

  /** Those whose handlers run, or whose event is being stored. */
  *handled(): Generator<Reception<Context>> {
    for (const set of [this.#inTime, this.#late]) for (const reception of set) if (reception.delivery) yield reception
  }

  /** Resolves when nothing is handled, or when the time is over. */
  async idleWithin(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#onDelete = () => {
        if (!this.handled().next().done) return
        clearTimeout(timer)
        resolve()
      }
      this.#onDelete()
    })
    if (this.#inTime.size === 0) this.#rest()
  }

  /** Nobody waits. After the end nobody will, and a timer would keep all that the receiver holds from being collected. */
  #rest(): void {
    if (this.#onDelete === undefined) {
      this.#timer?.unref()
    } else {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  #checkAfter(delayMs: number): void {
    this.#timer = setTimeout(() => this.#endLate(), delayMs)
  }

  #endLate(): void {
    const nowMs = performance.now()
    for (const reception of this.#inTime) {
      const remainingMs = reception.startedAtMs + this.#timeoutMs - nowMs
      if (remainingMs > 0) {
        this.#checkAfter(Math.ceil(remainingMs))
        return
      }
      this.#inTime.delete(reception)
      // Of the others nothing will be handled, and a body may never come.
      if (reception.delivery) this.#late.add(reception)
      this.#onLate(reception)
    }
    this.#timer = undefined
  }
}
