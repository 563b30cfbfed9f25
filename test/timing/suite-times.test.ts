import { expect, it } from 'vitest'
import { suiteTimes } from './suite-times.ts'

it('sums the files of a suite, and lists the slowest suite first', () => {
  const files = [
    { file: 'packages/core/test/verify/sign.test.ts', milliseconds: 500 },
    { file: 'test/hosts/starting.test.ts', milliseconds: 4000 },
    { file: 'packages/core/test/fetch.test.ts', milliseconds: 250 },
    { file: 'test/hosts/strangers.test.ts', milliseconds: 1000 },
  ]
  expect(suiteTimes(files)).toEqual([
    { suite: 'test/hosts', seconds: 5, files: 2 },
    { suite: 'packages/core', seconds: 0.75, files: 2 },
  ])
})
