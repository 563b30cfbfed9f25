import type { Reception } from './reception.ts'

/**
 * The requests that are being worked on. Ends the wait for those that take too long, with one timer for all of them (one
 * for each would be made and cleared for nothing), and tells when no handler runs any more.
 */
export class InFlight<Context> {
  /**
   * Both ends of a list of those that are not late yet. All may take equally long, so the oldest is always the next to be
   * late. Linked, because a set hashes what it holds, and is built anew as it shrinks and grows with each batch of requests.
   */
  #oldest: Reception<Context> | undefined
  #newest: Reception<Context> | undefined
  /** Answered without a result, and still worked on. */
  readonly #late = new Set<Reception<Context>>()
  readonly #timeoutMs: number
  readonly #onLate: (reception: Reception<Context>) => void
  #timer: NodeJS.Timeout | undefined
  /** Told of each request that is over; set only while closing. */
  #onDelete: (() => void) | undefined

  constructor(timeoutMs: number, onLate: (reception: Reception<Context>) => void) {
    this.#timeoutMs = timeoutMs
    this.#onLate = onLate
  }

  add(reception: Reception<Context>): void {
    const older = this.#newest
    if (older === undefined) this.#oldest = reception
    else older.newer = reception
    reception.older = older
    this.#newest = reception
    if (this.#timer === undefined) this.#checkAfter(this.#timeoutMs)
    // The timer outlives the request that began it, to be there for the next ones; it keeps the process alive as long as
    // somebody waits, and no longer.
    else if (older === undefined) this.#timer.ref()
  }

  delete(reception: Reception<Context>): void {
    const isLate = reception.older === undefined && reception !== this.#oldest
    if (isLate) this.#late.delete(reception)
    else this.#unlink(reception)
    this.#onDelete?.()
  }

  /** Those whose handlers run, or whose event is being stored. */
  *handled(): Generator<Reception<Context>> {
    for (let reception = this.#oldest; reception !== undefined; reception = reception.newer) {
      if (reception.delivery) yield reception
    }
    yield* this.#late
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
    if (this.#oldest === undefined) this.#rest()
  }

  #unlink(reception: Reception<Context>): void {
    const { older, newer } = reception
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    // What is over must hold nothing: the garbage collector takes its time to see that an old link leads nowhere.
    reception.older = undefined
    reception.newer = undefined
    if (this.#oldest === undefined) this.#rest()
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
    for (let reception = this.#oldest; reception !== undefined; reception = this.#oldest) {
      const remainingMs = reception.startedAtMs + this.#timeoutMs - nowMs
      if (remainingMs > 0) {
        this.#checkAfter(Math.ceil(remainingMs))
        return
      }
      this.#unlink(reception)
      // Of the others nothing will be handled, and a body may never come.
      if (reception.delivery) this.#late.add(reception)
      this.#onLate(reception)
    }
    this.#timer = undefined
  }
}
