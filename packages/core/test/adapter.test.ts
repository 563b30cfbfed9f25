import { describe, expect, it } from 'vitest'
import * as adapter from '../src/adapter.ts'
import * as fetchEntry from '../src/fetch.ts'
import * as core from '../src/index.ts'

describe('the kit for adapters', () => {
  it('has everything an adapter needs', () => {
    expect(Object.keys(adapter)).toEqual(
      expect.arrayContaining([
        'checkPath',
        'closingConnection',
        'codeOf',
        'defaultLogger',
        'errorReply',
        'notFoundReply',
        'readWebBody',
        'resolveReceiver',
      ]),
    )
  })

  it('shares nothing with the entries for applications', () => {
    const shared = Object.keys(adapter).filter((name) => name in core || name in fetchEntry)
    expect(shared).toEqual([])
  })
})
