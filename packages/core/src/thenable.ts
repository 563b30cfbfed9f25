/**
 * Whether a value has to be waited for. Awaiting what has not costs a turn of the microtask queue, and a delivery would pay
 * it for each store and each handler.
 */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
