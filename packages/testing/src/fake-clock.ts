/** A clock that only the test advances, for the `now` option of receivers and inboxes. */
export interface FakeClock {
  /** The time in milliseconds since 1970. Pass it directly: `createReceiver({ now: clock.now, … })`. */
  readonly now: () => number
  /** Advances the clock. A negative number of milliseconds sets it back. */
  advance(milliseconds: number): void
}

/**
 * Creates a clock that stands still until the test advances it.
 *
 * @param startMs the initial time, in milliseconds since 1970. Default: now.
 */
export function fakeClock(startMs: number = Date.now()): FakeClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance(milliseconds) {
      nowMs += milliseconds
    },
  }
}
