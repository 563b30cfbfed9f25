// Awaits only what has to be waited for: awaiting what is there already costs a turn of the microtask queue.

export function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as Partial<PromiseLike<Value>> | null | undefined)?.then === 'function'
}

type Handler = (event: unknown, delivery: unknown) => unknown

/** Runs handlers in order, whether or not one fails. @returns a promise only if one of them has to be waited for. */
export function runHandlers(
  handlers: readonly Handler[],
  event: unknown,
  delivery: unknown,
  failures: unknown[],
): Promise<unknown> | undefined {
  const fail = (error: unknown): void => void failures.push(error)
  let running: Promise<unknown> | undefined
  for (const handler of handlers) {
    const run = (): unknown => handler(event, delivery)
    if (running !== undefined) {
      running = running.then(run).catch(fail)
      continue
    }
    try {
      const result = run()
      if (isThenable(result)) running = Promise.resolve(result).catch(fail)
    } catch (error) {
      fail(error)
    }
  }
  return running
}
