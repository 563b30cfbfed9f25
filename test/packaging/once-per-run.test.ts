import { rm } from 'node:fs/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { temporaryFolder } from './consumer.ts'
import { oncePerRun } from './once-per-run.ts'

async function runFolder(): Promise<string> {
  const folder = await temporaryFolder()
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

it('does the work once and returns its result to every caller', async () => {
  const folder = await runFolder()
  const work = vi.fn(async () => ['packed'])
  const results = await Promise.all([1, 2, 3].map(() => oncePerRun('pack', folder, work)))
  expect(results).toEqual([['packed'], ['packed'], ['packed']])
  expect(work).toHaveBeenCalledTimes(1)
})

it('rejects for every caller when the work fails', async () => {
  const folder = await runFolder()
  const work = vi.fn(async () => {
    throw new Error('no compiler')
  })
  const results = await Promise.allSettled([1, 2].map(() => oncePerRun('build', folder, work)))
  expect(results).toMatchObject(Array(2).fill({ status: 'rejected', reason: { message: 'Error: no compiler' } }))
  expect(work).toHaveBeenCalledTimes(1)
})
