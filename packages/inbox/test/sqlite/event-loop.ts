/** Returns a function that returns the longest time, in milliseconds, for which nothing else could run until then. */
export function watchEventLoop(): () => number {
  let longestMs = 0
  let lastMs = performance.now()
  const look = (): void => {
    const nowMs = performance.now()
    longestMs = Math.max(longestMs, nowMs - lastMs - 1)
    lastMs = nowMs
  }
  const timer = setInterval(look, 1)
  return () => {
    clearInterval(timer)
    look()
    return longestMs
  }
}
