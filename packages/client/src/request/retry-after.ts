/** Reads a header by its name in lower case. */
type HeaderReader = (name: string) => string | null

/**
 * The delay that the server asks for, in seconds: `Retry-After`, or else the rest of the rate-limit window.
 *
 * @returns `undefined` if the server does not state one.
 */
export function retryAfterSecondsOf(header: HeaderReader, nowMs: number): number | undefined {
  const retryAfter = header('retry-after')
  if (retryAfter !== null) {
    const seconds = secondsOf(retryAfter) ?? (dateOf(retryAfter) - nowMs) / 1000
    if (Number.isFinite(seconds)) return Math.max(0, seconds)
  }
  if (header('x-ratelimit-remaining')?.trim() !== '0') return undefined
  const reset = secondsOf(header('x-ratelimit-reset') ?? '')
  if (reset === undefined) return undefined
  // The format is undocumented. No window lasts 31 years, so a larger number is a Unix timestamp.
  return Math.max(0, reset > 1e9 ? reset - nowMs / 1000 : reset)
}

/** Some servers send fractions. Numbers of any size are accepted: an excessive delay must not turn into a short one. */
function secondsOf(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text.trim()) ? Math.min(Number(text), Number.MAX_SAFE_INTEGER) : undefined
}

/** HTTP dates begin with a weekday. `Date.parse` also finds a date in "-5" and "1, 2", and then the delay would be 0. */
function dateOf(text: string): number {
  return /^\s*(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i.test(text) ? Date.parse(text) : Number.NaN
}
