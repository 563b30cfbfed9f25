import { expect, it } from 'vitest'
import { pgBossInbox } from '../src/index.ts'

// Values that would be refused if they were read.
it.each([{ boss: {} }, { maxAttempts: 'polluted' }])('takes no option from a polluted prototype: %o', (polluted) => {
  Object.assign(Object.prototype, polluted)
  try {
    expect(() => pgBossInbox({ connectionString: 'postgres://127.0.0.1:9/x' })).not.toThrow()
  } finally {
    for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name)
  }
})
