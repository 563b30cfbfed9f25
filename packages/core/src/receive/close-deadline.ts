import { unexpected } from '../check.ts'

/** The largest delay that Node's timers can hold; they treat a longer one as 1 ms. */
export const maxTimeoutMs = 2_147_483_647

/** @throws {ConfigurationError} `configuration_invalid`: not a number, negative or NaN. `Infinity` is allowed. */
export function checkGraceMs(name: string, graceMs: unknown): number {
  if (typeof graceMs === 'number' && graceMs >= 0) return graceMs
  throw unexpected(name, graceMs, 'a number of milliseconds, 0 or more')
}

/** A deadline that can only move closer. Monotonic (`performance.now()`): changes of the clock do not affect it. */
export class Deadline {
  readonly #passed: Promise<void>
  #pass!: () => void
  #endsAtMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(graceMs: number) {
    this.#passed = new Promise((resolve) => {
      this.#pass = resolve
    })
    this.shorten(graceMs)
  }

  get remainingMs(): number {
    return Math.max(0, this.#endsAtMs - performance.now())
  }

  /** Moves the deadline to `graceMs` from now, unless that is later than it already is. */
  shorten(graceMs: number): void {
    const endsAtMs = performance.now() + graceMs
    if (endsAtMs >= this.#endsAtMs) return
    this.#endsAtMs = endsAtMs
    this.#wait()
  }

  /** Resolves when the work settles or the deadline passes, whichever comes first. Never rejects. */
  async waitFor(work: Promise<unknown>): Promise<void> {
    await Promise.race([work.catch(() => {}), this.#passed])
  }

  /** Clears the timer, so that it no longer keeps the process alive. The deadline then never passes. */
  cancel(): void {
    clearTimeout(this.#timer)
  }

  #wait(): void {
    clearTimeout(this.#timer)
    const remainingMs = this.remainingMs
    if (remainingMs === 0) this.#pass()
    else this.#timer = setTimeout(() => this.#wait(), Math.min(Math.ceil(remainingMs), maxTimeoutMs))
  }
}
