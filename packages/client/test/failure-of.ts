import { inspect } from 'node:util'
import { expect } from 'vitest'

/** What a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`expected a failure, got ${inspect(value)}`),
    (error: unknown) => error,
  )
}
