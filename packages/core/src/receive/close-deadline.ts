import { unexpected } from '../check.ts'

/** The longest delay of Node's timers. They treat longer ones as 1 ms. */
export const maxTimeoutMs = 2_147_483_647

/**
 * Returns a grace period in milliseconds. `Infinity` is allowed.
 *
 * @throws {ConfigurationError} `configuration_invalid`: not a number, negative or NaN.
 */
export function checkGraceMs(name: string, graceMs: unknown): number {
  if (typeof graceMs === 'number' && graceMs >= 0) return graceMs
  throw unexpected(name, graceMs, 'a number of milliseconds, 0 or more')
}

/** A deadline that can only move closer. Monotonic (`performance.now()`), so changes of the clock do not affect it. */
export class Deadline {
  readonly #passed: Promise<void>
  #pass!: () => void
  #endsAtMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** @param graceMs milliseconds until the deadline. */
  constructor(graceMs: number) {
    this.#passed = new Promise((resolve) => {
      this.#pass = resolve
    })
    this.shorten(graceMs)
  }

  /** Milliseconds until the deadline; 0 once it has passed. */
  get remainingMs(): number {
    return Math.max(0, this.#endsAtMs - performance.now())
  }

  /** Moves the deadline to `graceMs` from now, unless it is already sooner. */
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

  /** Clears the timer, which otherwise keeps the process alive. The deadline then never passes. */
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
