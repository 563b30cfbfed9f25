// Awaits only pending promises, because awaiting an available value costs a turn of the microtask queue.

export function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as Partial<PromiseLike<Value>> | null | undefined)?.then === 'function'
}

type Handler = (event: unknown, delivery: unknown) => unknown

/** Runs all handlers in order, even if one fails. @returns a promise only if a handler returned one. */
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
