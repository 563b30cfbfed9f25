import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createOpenDeliveries, OpenDelivery } from '../../src/receive/open-deliveries.ts'
import { deliver, useFakeTimersInContext } from '../deliveries.ts'

beforeEach(useFakeTimersInContext)
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const newDelivery = () => new OpenDelivery<unknown>(deliver(), undefined, () => {})

function openWith(timeoutMs = 9000) {
  const late: OpenDelivery<unknown>[] = []
  const open = createOpenDeliveries<unknown>(timeoutMs, (delivery) => {
    late.push(delivery)
    delivery.isAnswered = true
  })
  return { open, late }
}

/** For each timer that was set, whether it keeps the process alive. */
function keepAlive(): boolean[] {
  return vi.mocked(setTimeout).mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())
}

describe('the list of open deliveries', () => {
  it('contains what was added and not deleted, whatever the order of deletion', () => {
    const { open } = openWith()
    const [first, second, third, fourth] = [newDelivery(), newDelivery(), newDelivery(), newDelivery()]
    for (const delivery of [first, second, third, fourth]) open.add(delivery)
    open.delete(second)
    expect(new Set(open.all())).toEqual(new Set([first, third, fourth]))
    open.delete(fourth)
    open.delete(first)
    expect(open.all()).toEqual([third])
    open.delete(third)
    expect(open.all()).toEqual([])
  })

  it('is not changed by deleting a delivery again', () => {
    const { open } = openWith()
    const [deleted, kept] = [newDelivery(), newDelivery()]
    open.add(deleted)
    open.add(kept)
    open.delete(deleted)
    open.delete(deleted)
    expect(open.all()).toEqual([kept])
  })

  it('may change during iteration over a copy', () => {
    const { open } = openWith()
    for (let count = 0; count < 5; count += 1) open.add(newDelivery())
    for (const delivery of open.all()) open.delete(delivery)
    expect(open.all()).toEqual([])
  })

  it('resolves empty() immediately if it is empty, otherwise when the last delivery is deleted', async () => {
    const { open } = openWith()
    await open.empty()
    const delivery = newDelivery()
    open.add(delivery)
    let isEmpty = false
    void open.empty().then(() => {
      isEmpty = true
    })
    await vi.advanceTimersByTimeAsync(0)
    expect(isEmpty).toBe(false)
    open.delete(delivery)
    await vi.advanceTimersByTimeAsync(0)
    expect(isEmpty).toBe(true)
  })
})

describe('the deadlines of open deliveries', () => {
  it('pass for each delivery after its own time limit', () => {
    const { open, late } = openWith()
    const first = newDelivery()
    open.add(first)
    vi.advanceTimersByTime(4000)
    const second = newDelivery()
    open.add(second)
    vi.advanceTimersByTime(4999)
    expect(late).toEqual([])
    vi.advanceTimersByTime(1)
    expect(late).toEqual([first])
    vi.advanceTimersByTime(3999)
    expect(late).toEqual([first])
    vi.advanceTimersByTime(1)
    expect(late).toEqual([first, second])
  })

  it('pass once, even if the work continues', () => {
    const { open, late } = openWith()
    open.add(newDelivery())
    vi.advanceTimersByTime(60_000)
    expect(late).toHaveLength(1)
  })

  it('do not pass for answered or deleted deliveries', () => {
    const { open, late } = openWith()
    const [answered, deleted, waiting] = [newDelivery(), newDelivery(), newDelivery()]
    for (const delivery of [answered, deleted, waiting]) open.add(delivery)
    answered.isAnswered = true
    open.delete(deleted)
    vi.advanceTimersByTime(9000)
    expect(late).toEqual([waiting])
  })

  it('share one timer, which keeps the process alive only while a delivery is open', () => {
    const { open } = openWith()
    const deliveries = [newDelivery(), newDelivery(), newDelivery()]
    for (const delivery of deliveries) open.add(delivery)
    expect(keepAlive()).toEqual([true])
    for (const delivery of deliveries) open.delete(delivery)
    expect(keepAlive()).toEqual([false])
    open.add(newDelivery())
    expect(keepAlive()).toEqual([true])
  })

  it('need no timer once nothing is open', () => {
    const { open } = openWith()
    const delivery = newDelivery()
    open.add(delivery)
    open.delete(delivery)
    vi.advanceTimersByTime(9000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('never pass after stop()', () => {
    const { open, late } = openWith()
    open.add(newDelivery())
    open.stop()
    vi.advanceTimersByTime(60_000)
    expect([late, vi.getTimerCount()]).toEqual([[], 0])
  })

  it('are watched outside the async context of any delivery', () => {
    const storage = new AsyncLocalStorage<string>()
    const stores: (string | undefined)[] = []
    const open = storage.run('creation', () =>
      createOpenDeliveries<unknown>(9000, (delivery) => {
        delivery.isAnswered = true
        stores.push(storage.getStore())
      }),
    )
    storage.run('first request', () => open.add(newDelivery()))
    vi.advanceTimersByTime(1000)
    storage.run('second request', () => open.add(newDelivery()))
    vi.advanceTimersByTime(9000)
    expect(stores).toEqual(['creation', 'creation'])
  })
})
