/**
 * Runs work that must clean up when Ctrl+C interrupts it. The process then ends with the signal, as shells and scripts
 * expect.
 */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort(new Error('Interrupted.'))
  process.once('SIGINT', interrupt)
  try {
    return await work(interrupted.signal)
  } finally {
    process.removeListener('SIGINT', interrupt)
    if (interrupted.signal.aborted) process.kill(process.pid, 'SIGINT')
  }
}
