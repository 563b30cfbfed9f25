/** Computes the delay before the next attempt, in milliseconds, from the number of failed attempts (1 or more). */
export type Backoff = (failedAttempts: number) => number

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/**
 * The maximum delay after the first failure, the second, and so on: 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h. Together
 * they outlast most outages. An event that still fails needs manual attention.
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
 * Backoff with full jitter: a random delay up to the maximum, to spread out events that failed together.
 *
 * @param delaysMs the maximum delay after each failure, in milliseconds. The last one applies to all further failures.
 * Default: `defaultDelaysMs`.
 * @param random returns a number from 0 to 1, excluding 1. Default: `Math.random`.
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
