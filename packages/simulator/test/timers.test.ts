import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Timers } from '../src/timers.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('runs work after its delay, and none after close', () => {
  const timers = new Timers()
  const work = vi.fn()
  timers.after(10, work)
  timers.after(20, work)
  vi.advanceTimersByTime(10)
  expect(work).toHaveBeenCalledTimes(1)
  timers.close()
  timers.after(10, work)
  vi.advanceTimersByTime(100)
  expect(work).toHaveBeenCalledTimes(1)
})

it('waits for delays that setTimeout would skip', () => {
  const setTimeout = vi.spyOn(globalThis, 'setTimeout')
  new Timers().after(12 * 3_600_000 * 1_000, () => {})
  expect(setTimeout.mock.lastCall?.[1]).toBe(2 ** 31 - 1)
})
