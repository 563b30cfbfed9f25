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
    const seconds = wholeSeconds(retryAfter) ?? (Date.parse(retryAfter) - nowMs) / 1000
    if (Number.isFinite(seconds)) return Math.max(0, seconds)
  }
  if (header('x-ratelimit-remaining')?.trim() !== '0') return undefined
  const reset = wholeSeconds(header('x-ratelimit-reset') ?? '')
  if (reset === undefined) return undefined
  // The format is undocumented. No window lasts 31 years, so a larger number is a Unix timestamp.
  return Math.max(0, reset > 1e9 ? reset - nowMs / 1000 : reset)
}

function wholeSeconds(text: string): number | undefined {
  return /^[0-9]{1,12}$/.test(text.trim()) ? Number(text) : undefined
}
