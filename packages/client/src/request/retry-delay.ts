/** What the API takes for worth another try: over a limit, or out of order. */
export const retriedStatuses: ReadonlySet<number> = new Set([429, 500, 502, 503, 504])

/** Nobody waits longer than this inside one call; a longer `Retry-After` is the caller's to act upon. */
export const maxRetryDelayMs = 30_000

const baseDelayMs = 500

/** When the server wants to be asked again, in seconds from now: `Retry-After`, or else the end of the rate window. */
export function retryAfterSecondsOf(headers: Headers, nowMs: number): number | undefined {
  const retryAfter = headers.get('retry-after')
  if (retryAfter !== null) {
    const seconds = wholeSeconds(retryAfter) ?? (Date.parse(retryAfter) - nowMs) / 1000
    if (Number.isFinite(seconds)) return Math.max(0, seconds)
  }
  if (headers.get('x-ratelimit-remaining')?.trim() !== '0') return undefined
  const reset = wholeSeconds(headers.get('x-ratelimit-reset') ?? '')
  if (reset === undefined) return undefined
  // The format is not documented. No window is 31 years long, so a number that large is a point in time.
  return Math.max(0, reset > 1e9 ? reset - nowMs / 1000 : reset)
}

/** Full jitter, so that clients that failed together do not come back together. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return Math.min(maxRetryDelayMs, random() * baseDelayMs * 2 ** (attempt - 1))
}

function wholeSeconds(text: string): number | undefined {
  return /^[0-9]{1,12}$/.test(text.trim()) ? Number(text) : undefined
}
