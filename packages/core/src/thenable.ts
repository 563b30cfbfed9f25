/**
 * Whether a value has to be waited for. To await what is there already costs a turn of the microtask queue and memory, and
 * a delivery would pay both for its claim, its handlers and the end of its claim.
 */
export function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as Partial<PromiseLike<Value>> | null | undefined)?.then === 'function'
}
