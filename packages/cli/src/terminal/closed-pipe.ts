import { fstatSync } from 'node:fs'
import { exitCodes } from '../exit-codes.ts'
import { printErrorLine, red } from './print.ts'

const closed = new AbortController()

/** Aborted when the reader of stdout has closed the pipe, as in `… | head -1`. */
export const stdoutClosed: AbortSignal = closed.signal

/**
 * Keeps a command running when its output is no longer read, or cannot be written (a full disk), instead of crashing it. If
 * output is lost for any reason other than a closed pipe, the command fails.
 */
export function tolerateLostOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!closed.signal.aborted && error.code !== 'EPIPE') {
      const reason = error.code === undefined ? '' : ` (${error.code})`
      printErrorLine(red('error:'), ` The output could not be written${reason}.`)
      process.once('exit', () => {
        process.exitCode = exitCodes.failed
      })
    }
    closed.abort()
  })
  // There is nowhere left to report it.
  process.stderr.on('error', () => {})
}

const firstDelayMs = 250
const maxDelayMs = 10_000

/**
 * Detects that the reader has closed the pipe while there is nothing to print. Only a write can fail, so this writes a
 * character that readers skip, at growing intervals: a space before a JSON value, or a carriage return before a line.
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
