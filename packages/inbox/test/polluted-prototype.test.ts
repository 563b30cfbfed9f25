import { expect, it } from 'vitest'
import { memoryInbox, sqliteInbox } from '../src/index.ts'
import { temporaryFile } from './temporary-file.ts'

// An invalid value, so that an inbox that reads it throws.
it.each([
  ['memoryInbox', () => memoryInbox()],
  ['memoryInbox with options', () => memoryInbox({ concurrency: 2 })],
  ['sqliteInbox', () => sqliteInbox({ file: temporaryFile() })],
])('%s takes no option from a polluted prototype', (_name, create) => {
  Object.assign(Object.prototype, { maxAttempts: 'polluted' })
  try {
    expect(create).not.toThrow()
  } finally {
    Reflect.deleteProperty(Object.prototype, 'maxAttempts')
  }
})

it('sqliteInbox takes no file from a polluted prototype', () => {
  Object.assign(Object.prototype, { file: temporaryFile() })
  try {
    expect(() => Reflect.apply(sqliteInbox, undefined, [{}])).toThrow('Expected file to be a path')
  } finally {
    Reflect.deleteProperty(Object.prototype, 'file')
  }
})
