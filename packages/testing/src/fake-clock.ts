/** A clock that moves only when the test moves it: for the `now` option of receivers and stores. */
export interface FakeClock {
  /** Milliseconds since 1970. Can be passed on its own: `createReceiver({ now: clock.now, … })`. */
  readonly now: () => number
  /** Moves the clock; a negative number moves it back. */
  advance(milliseconds: number): void
}

/** @param startMs where the clock stands at first, in milliseconds since 1970. Default: now. */
export function fakeClock(startMs: number = Date.now()): FakeClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance(milliseconds) {
      nowMs += milliseconds
    },
  }
}
