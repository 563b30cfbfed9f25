import { expect, it } from 'vitest'
import { waitingFirst } from './waiting-first.ts'

it('starts suites that mostly wait first, and keeps the order of the others', () => {
  const files = ['test/hosts/starting', 'test/engines/killer', 'packages/inbox/test/suite', 'test/inbox/crash']
  const sorted = waitingFirst(files.map((file) => ({ moduleId: `/repository/${file}.test.ts` })))
  expect(sorted.map(({ moduleId }) => moduleId.slice('/repository/'.length, -'.test.ts'.length))).toEqual([
    'test/engines/killer',
    'test/inbox/crash',
    'test/hosts/starting',
    'packages/inbox/test/suite',
  ])
})
