import { fstatSync } from 'node:fs'

const closed = new AbortController()

/** Aborted when the reader of stdout has gone, as with `… | head -1`. */
export const stdoutClosed: AbortSignal = closed.signal

/** Lets a command run to its end when its output is no longer read, instead of crashing it. */
export function tolerateClosedPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    closed.abort()
  })
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

const firstDelayMs = 250
const maxDelayMs = 10_000

/**
 * Detects that the reader of a pipe has gone while there is nothing to print. Only a write can fail, so this writes a
 * character that readers skip, at growing intervals: a space before a JSON value, a carriage return before a line.
 */
export function detectClosedPipe(filler: ' ' | '\r'): void {
  const stdout = fstatSync(process.stdout.fd)
  if (!stdout.isFIFO() && !stdout.isSocket()) return
  let delayMs = firstDelayMs
  const schedule = (): void => {
    setTimeout(() => {
      if (stdoutClosed.aborted) return
      process.stdout.write(filler)
      delayMs = Math.min(delayMs * 2, maxDelayMs)
      schedule()
    }, delayMs).unref()
  }
  schedule()
}
