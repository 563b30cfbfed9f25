/** A clock that only the test advances, for the `now` option of receivers and inboxes. */
export interface FakeClock {
  /** The time in milliseconds since 1970. Can be passed as it is: `createReceiver({ now: clock.now, … })`. */
  readonly now: () => number
  /** Advances the clock. A negative number sets it back. */
  advance(milliseconds: number): void
}

/** @param startMs the initial time, in milliseconds since 1970. Default: now. */
export function fakeClock(startMs: number = Date.now()): FakeClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance(milliseconds) {
      nowMs += milliseconds
    },
  }
}
