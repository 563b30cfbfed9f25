import type { InboxSettings } from '../options.ts'

/** In milliseconds. Smaller differences are drift, or NTP slewing the clock. */
const noticedMs = 1000

/** Detects that the system clock was set, which makes wall time and monotonic time diverge. */
export class ClockWatch {
  readonly #settings: InboxSettings
  #offsetMs: number

  constructor(settings: InboxSettings) {
    this.#settings = settings
    this.#offsetMs = this.#readOffset()
  }

  /**
   * @returns how far the clock was set since the last call, in milliseconds. Negative if it was set back, 0 if it was not
   * set.
   */
  jump(): number {
    // A custom clock, as in tests, may jump.
    if (!this.#settings.hasSystemClock) return 0
    const offsetMs = this.#readOffset()
    const jumpMs = offsetMs - this.#offsetMs
    this.#offsetMs = offsetMs
    return Math.abs(jumpMs) > noticedMs ? Math.round(jumpMs) : 0
  }

  #readOffset(): number {
    return this.#settings.now() - performance.now()
  }
}

/** What to log about a jump. */
export function jumpMessage(jumpMs: number): string {
  return `The system clock was set ${jumpMs > 0 ? 'forward' : 'back'} by ${Math.abs(jumpMs) / 1000} s.`
}
