import { defaultMaxListeners, getMaxListeners, setMaxListeners } from 'node:events'

interface Deadline {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Creates the error for when the time is up. */
  readonly timedOut: () => Error
}

/**
 * Runs work with a time limit. The work receives a signal to pass to whatever it waits for. When the signal is aborted, the
 * promise rejects immediately, even if the work ignores it.
 *
 * @throws the reason of the caller's signal, the error of `timedOut`, or any error of the work.
 */
export async function withDeadline<Result>(
  { timeoutMs, signal, timedOut }: Deadline,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted()
  if (signal !== undefined) allowManyListeners(signal)
  const timeUp = new DOMException('The time is up.', 'TimeoutError')
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(timeUp), timeoutMs)
  const forwardAbort = () => controller.abort(signal?.reason)
  signal?.addEventListener('abort', forwardAbort)
  try {
    return await Promise.race([work(controller.signal), aborted(controller.signal)])
  } catch (error) {
    throw error === timeUp ? timedOut() : error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', forwardAbort)
  }
}

/**
 * One signal may abort any number of concurrent calls. Node 20 would warn of a leak, so this lifts the default limit on
 * listeners. A limit set by the caller is kept.
 */
function allowManyListeners(signal: AbortSignal): void {
  try {
    if (getMaxListeners(signal) === defaultMaxListeners) setMaxListeners(0, signal)
  } catch {
    // A signal of another implementation, which does not warn.
  }
}

/** Rejects with the signal's reason when it is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
