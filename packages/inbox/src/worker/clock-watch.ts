import type { InboxSettings } from '../options.ts'

/** Smaller differences are drift, or NTP slewing the clock. In milliseconds. */
const noticedMs = 1000

/** Notices when the system clock is set: then wall time and monotonic time no longer advance together. */
export class ClockWatch {
  readonly #settings: InboxSettings
  #offsetMs: number

  constructor(settings: InboxSettings) {
    this.#settings = settings
    this.#offsetMs = this.#readOffset()
  }

  /** @returns by how many milliseconds the clock was set since the last call, negative for back; 0 if it was not. */
  jump(): number {
    // A custom clock, as in tests, may advance as it likes.
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
