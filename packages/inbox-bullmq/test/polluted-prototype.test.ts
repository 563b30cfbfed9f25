import { expect, it } from 'vitest'
import { bullmqInbox } from '../src/index.ts'

// Values that would be refused if they were read.
it.each([{ queue: {} }, { maxAttempts: 'polluted' }])('takes no option from a polluted prototype: %o', (polluted) => {
  Object.assign(Object.prototype, polluted)
  try {
    expect(() => bullmqInbox({ connection: 'redis://127.0.0.1:9' })).not.toThrow()
  } finally {
    for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name)
  }
})
