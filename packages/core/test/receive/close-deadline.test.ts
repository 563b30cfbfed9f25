import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkGraceMs, Deadline } from '../../src/adapter.ts'
import { hang, refusal } from '../deliveries.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Whether the deadline has passed, or the work has settled. */
function waiting(deadline: Deadline, work: Promise<unknown> = hang()): { readonly isOver: boolean } {
  const state = { isOver: false }
  void deadline.waitFor(work).then(() => {
    state.isOver = true
  })
  return state
}

describe('Deadline', () => {
  it('passes after its time, to the millisecond', async () => {
    const deadline = new Deadline(1000)
    const state = waiting(deadline)
    await vi.advanceTimersByTimeAsync(999)
    expect([state.isOver, deadline.remainingMs]).toEqual([false, 1])
    await vi.advanceTimersByTimeAsync(1)
    expect([state.isOver, deadline.remainingMs]).toEqual([true, 0])
  })

  it('passes immediately with a time of 0', async () => {
    await new Deadline(0).waitFor(hang())
  })

  it.each([Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 40])('does not pass early with a time of %d ms', async (graceMs) => {
    const state = waiting(new Deadline(graceMs))
    await vi.advanceTimersByTimeAsync(2 ** 31 - 1)
    expect(state.isOver).toBe(false)
  })

  it('passes on time even if it exceeds a single timer', async () => {
    const state = waiting(new Deadline(2 ** 31 + 1000))
    await vi.advanceTimersByTimeAsync(2 ** 31 + 999)
    expect(state.isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(state.isOver).toBe(true)
  })

  it('sets no timer if it never passes', () => {
    new Deadline(Number.POSITIVE_INFINITY)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('can be shortened but not extended', async () => {
    const deadline = new Deadline(1000)
    const state = waiting(deadline)
    deadline.shorten(2000)
    expect(deadline.remainingMs).toBe(1000)
    deadline.shorten(10)
    await vi.advanceTimersByTimeAsync(10)
    expect(state.isOver).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('never passes once it is canceled', async () => {
    const deadline = new Deadline(1000)
    const state = waiting(deadline)
    deadline.cancel()
    await vi.advanceTimersByTimeAsync(5000)
    expect(state.isOver).toBe(false)
  })

  it.each<[string, () => Promise<void>]>([
    ['resolves', () => Promise.resolve()],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('waits until the work %s, and does not reject', async (_given, work) => {
    await new Deadline(1000).waitFor(work())
  })
})

describe('checkGraceMs', () => {
  it.each([0, 0.5, 8000, Number.MAX_VALUE, Number.POSITIVE_INFINITY])('returns %d', (graceMs) => {
    expect(checkGraceMs('graceMs', graceMs)).toBe(graceMs)
  })

  it.each([Number.NaN, -1, Number.NEGATIVE_INFINITY, '30s', '1000', null, undefined, 7n])('rejects %o', (graceMs) => {
    expect(() => checkGraceMs('graceMs', graceMs)).toThrow(
      refusal('configuration_invalid', 'Expected graceMs to be a number of milliseconds, 0 or more'),
    )
  })
})
