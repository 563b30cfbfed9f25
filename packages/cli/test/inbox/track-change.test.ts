import type { Inbox } from '@scrapenest-webhooks/inbox'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { trackChange } from '../../src/inbox/track-change.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('reports how many events have left the state until the work ends', async () => {
  const counts = [10, 7, 4]
  const inbox = { stats: async () => ({ dead: counts.shift() ?? 0 }) } as unknown as Inbox
  const reported: unknown[] = []
  const work = trackChange(
    inbox,
    { state: 'dead' },
    (...progress) => reported.push(progress),
    () => new Promise((resolve) => setTimeout(() => resolve('result'), 1_200)),
  )
  await vi.advanceTimersByTimeAsync(1_200)
  expect(await work).toBe('result')
  await vi.advanceTimersByTimeAsync(5_000)
  expect(reported).toEqual([
    [0, 10, 'dead events'],
    [3, 10, 'dead events'],
    [6, 10, 'dead events'],
    [10, 10, ''],
  ])
})

it('removes the bar and passes on the error if the work fails', async () => {
  const inbox = { stats: async () => ({ done: 2 }) } as unknown as Inbox
  const onProgress = vi.fn()
  const failing = () => Promise.reject(new Error('the disk is full'))
  await expect(trackChange(inbox, { state: 'done' }, onProgress, failing)).rejects.toThrow('the disk is full')
  expect(onProgress).toHaveBeenLastCalledWith(2, 2, '')
})
