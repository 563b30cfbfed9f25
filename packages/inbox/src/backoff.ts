/** @param failedAttempts at least 1. @returns milliseconds until the next attempt may begin. */
export type Backoff = (failedAttempts: number) => number

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/**
 * The longest delay after the first failure, the second, and so on: 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h. Together
 * they outlast most outages; an event that still fails after that needs a person.
 */
export const defaultDelaysMs: readonly number[] = [
  5 * second,
  30 * second,
  2 * minute,
  10 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
]

/**
 * Full jitter: a random delay of up to the longest, so that a thousand events that failed together are not retried together.
 *
 * @param delaysMs the longest delay after each failure, in milliseconds; the last one applies to all further failures.
 * @param random a number from 0 up to 1. Default `Math.random`.
 */
export function jitteredBackoff(
  delaysMs: readonly number[] = defaultDelaysMs,
  random: () => number = Math.random,
): Backoff {
  return (failedAttempts) => {
    const longestMs = delaysMs[Math.min(failedAttempts, delaysMs.length) - 1] ?? 0
    return Math.round(random() * longestMs)
  }
}
