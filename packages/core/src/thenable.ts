/**
 * Whether a value has to be waited for. To await what is there already costs a turn of the microtask queue and memory, and
 * a delivery would pay both for its claim, its handlers and the end of its claim.
 */
export function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * Does some work and goes on with its value or its failure, at once where nothing has to be waited for.
 *
 * @returns (or resolves to) what the function that was called returns; what it throws is thrown (or rejected with).
 */
export function settle<Value, Result>(
  work: () => Value | PromiseLike<Value>,
  onValue: (value: Value) => Result | Promise<Result>,
  onError: (error: unknown) => Result | Promise<Result>,
): Result | Promise<Result> {
  let value: Value | PromiseLike<Value>
  try {
    value = work()
    // Not its own `then`: what a store or a handler returns may be no promise of the language's.
    if (isThenable(value)) return Promise.resolve(value).then(onValue, onError)
  } catch (error) {
    return onError(error)
  }
  return onValue(value)
}
