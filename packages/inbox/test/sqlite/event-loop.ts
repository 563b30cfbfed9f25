/** @returns a function that stops counting and returns how often the event loop ran a timer that is due each millisecond. */
export function countTurns(): () => number {
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  return () => {
    clearInterval(timer)
    return turns
  }
}
