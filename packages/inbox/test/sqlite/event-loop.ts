/** Starts watching. The returned function reports the longest delay of the event loop so far, in milliseconds. */
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
