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

const firstProbeMs = 250
const maxProbeMs = 10_000

/**
 * Notices that the reader has gone while there is nothing to print. Only a write tells, so this writes a character that
 * readers skip, at growing intervals: whitespace before a JSON value, or a carriage return before a line of text.
 */
export function probeStdout(probe: ' ' | '\r'): void {
  const stdout = fstatSync(process.stdout.fd)
  if (!stdout.isFIFO() && !stdout.isSocket()) return
  let delayMs = firstProbeMs
  const schedule = (): void => {
    setTimeout(() => {
      if (stdoutClosed.aborted) return
      process.stdout.write(probe)
      delayMs = Math.min(delayMs * 2, maxProbeMs)
      schedule()
    }, delayMs).unref()
  }
  schedule()
}
