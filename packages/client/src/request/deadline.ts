interface Deadline {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** The error when the time is up. */
  readonly timedOut: () => Error
}

/**
 * Runs work that must end in time. The work gets a signal for everything it waits for. Once the signal is aborted, the
 * promise rejects at once, even if the work ignores it.
 *
 * @throws the reason of the caller's signal, the error of `timedOut`, or what the work throws.
 */
export async function withDeadline<Result>(
  { timeoutMs, signal, timedOut }: Deadline,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted()
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

/** Rejects with the signal's reason when it is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
