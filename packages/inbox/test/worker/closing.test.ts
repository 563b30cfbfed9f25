import { setImmediate as nextTurn } from 'node:timers/promises'
import type { InboxConsumer } from '@scrapenest-webhooks/core'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { EventStore } from '../../src/event-store.ts'
import { createWorker, type Inbox, memoryInbox } from '../../src/index.ts'
import { readInboxOptions } from '../../src/options.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { StoredInbox } from '../../src/store/stored-inbox.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Timers advance only when the test says so. Ticks that need no timer still pass. */
function stopTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
}

/** A promise, and the function that resolves it. */
function openable(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((resolveNow) => {
    resolve = resolveNow
  })
  return { promise, resolve }
}

interface Hanging {
  readonly consumer: InboxConsumer
  /** The signal of each run, which the handler ignores. */
  readonly signals: readonly AbortSignal[]
  end(): void
}

function hangingConsumer(name?: string): Hanging {
  const signals: AbortSignal[] = []
  const { promise, resolve } = openable()
  const consumer = createInboxConsumer(async (_event, { signal }) => {
    signals.push(signal)
    await promise
  }, name)
  return { consumer, signals, end: resolve }
}

/** An inbox whose consumer is running a handler that ignores its signal. */
async function busyInbox(inbox: Inbox = memoryInbox()): Promise<Hanging & { readonly inbox: Inbox }> {
  const hanging = hangingConsumer()
  await inbox.start(hanging.consumer)
  await inbox.put(createInboxEvent())
  await untilTrue(() => hanging.signals.length === 1)
  onTestFinished(() => hanging.end())
  return { ...hanging, inbox }
}

/** Works while timers are stopped. */
async function untilTrue(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !condition(); turn += 1) await nextTurn()
  expect(condition()).toBe(true)
}

/** Whether a promise resolves without any timer firing. */
async function hasResolved(promise: Promise<unknown>): Promise<boolean> {
  let isResolved = false
  void promise.then(() => {
    isResolved = true
  })
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
  return isResolved
}

/** A memory store whose methods the test can delay. Records the order of its calls. */
function slowStore(delays: Partial<Record<'open' | 'claim' | 'end' | 'close', Promise<void>>>): {
  readonly inbox: Inbox
  readonly calls: readonly string[]
} {
  const calls: string[] = []
  const store = new MemoryStore()
  const delayed = <Parameters extends unknown[], Result>(
    name: keyof typeof delays,
    method: (...parameters: Parameters) => Promise<Result>,
  ): ((...parameters: Parameters) => Promise<Result>) => {
    return async (...parameters) => {
      calls.push(name)
      await delays[name]
      const result = await method.apply(store, parameters)
      calls.push(`${name} has ended`)
      return result
    }
  }
  const changes: Partial<EventStore> = {
    open: delayed('open', store.open),
    claim: delayed('claim', store.claim),
    end: delayed('end', store.end),
    close: delayed('close', store.close),
  }
  return { inbox: new StoredInbox(Object.assign(store, changes), readInboxOptions({})), calls }
}

describe('the time that close may take', () => {
  it('is 8 s by default: handlers are aborted one second before the end, and abandoned half a second later', async () => {
    stopTimers()
    const { inbox, signals } = await busyInbox()
    const closed = inbox.close()
    await vi.advanceTimersByTimeAsync(6_999)
    expect(signals[0]?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(signals[0]?.reason).toMatchObject({ code: 'receiver_closing' })
    await vi.advanceTimersByTimeAsync(499)
    expect(await hasResolved(closed)).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await hasResolved(closed)).toBe(true)
    expect(await inbox.stats()).toMatchObject({ ready: 1, running: 0 })
  })

  it('is split in half if it is short', async () => {
    stopTimers()
    const { inbox, signals } = await busyInbox()
    const closed = inbox.close({ graceMs: 400 })
    await vi.advanceTimersByTimeAsync(199)
    expect(signals[0]?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(signals[0]?.aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(100)
    expect(await hasResolved(closed)).toBe(true)
  })

  it('ends even if the store does not answer; the store is closed once it does', async () => {
    stopTimers()
    const { promise: answer, resolve: answerNow } = openable()
    const { inbox, calls } = slowStore({ end: answer })
    await busyInbox(inbox)
    const closed = inbox.close({ graceMs: 1000 })
    await vi.advanceTimersByTimeAsync(999)
    expect(await hasResolved(closed)).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await hasResolved(closed)).toBe(true)
    expect(calls).not.toContain('close')
    answerNow()
    await untilTrue(() => calls.includes('close has ended'))
    expect(calls.slice(-3)).toEqual(['end has ended', 'close', 'close has ended'])
  })

  it('starts again with a call after its end, while the store is still closing', async () => {
    stopTimers()
    const { promise: answer, resolve: answerNow } = openable()
    const { inbox, calls } = slowStore({ end: answer })
    await busyInbox(inbox)
    const first = inbox.close({ graceMs: 0 })
    await vi.advanceTimersByTimeAsync(100)
    expect(await hasResolved(first)).toBe(true)
    const second = inbox.close({ graceMs: 1000 })
    await vi.advanceTimersByTimeAsync(999)
    expect(await hasResolved(second)).toBe(false)
    answerNow()
    expect(await hasResolved(second)).toBe(true)
    expect(calls.at(-1)).toBe('close has ended')
  })

  it('with graceMs: 0 is the time it takes to release events', async () => {
    stopTimers()
    const { inbox, signals } = await busyInbox()
    expect(await hasResolved(inbox.close({ graceMs: 0 }))).toBe(true)
    expect(signals[0]?.aborted).toBe(true)
    expect(await inbox.stats()).toMatchObject({ ready: 1, running: 0 })
  })

  it('with Infinity, or more than a timer can hold, is as long as handlers take', async () => {
    for (const graceMs of [Number.POSITIVE_INFINITY, 30 * 86_400_000]) {
      stopTimers()
      const { inbox, signals, end } = await busyInbox()
      const closed = inbox.close({ graceMs })
      // Less than handlerTimeoutMs.
      await vi.advanceTimersByTimeAsync(59_000)
      expect(await hasResolved(closed)).toBe(false)
      end()
      expect(await hasResolved(closed)).toBe(true)
      expect(signals[0]?.aborted).toBe(false)
      expect(await inbox.stats()).toMatchObject({ done: 1 })
      vi.useRealTimers()
    }
  })

  it.each([Number.NaN, -1, '30s' as never, null as never])(
    'of %s is refused by inbox and worker, and nothing is closed',
    async (graceMs) => {
      const { inbox, signals, consumer } = await busyInbox()
      const handled: string[] = []
      const worker = createWorker({ inbox, name: 'worker', onEvent: { '*': (event) => handled.push(event.event_id) } })
      await worker.start()
      const refused = { code: 'configuration_invalid', message: expect.stringContaining('graceMs') }
      await expect(inbox.close({ graceMs })).rejects.toMatchObject(refused)
      await expect(inbox.close({ graceMs, consumer })).rejects.toMatchObject(refused)
      await expect(worker.close({ graceMs })).rejects.toMatchObject(refused)
      expect(signals[0]?.aborted).toBe(false)
      await inbox.put(createInboxEvent({ name: 'worker' }))
      await untilInboxStats(inbox, { done: 1 })
      expect(handled).toHaveLength(1)
      await inbox.close({ graceMs: 0 })
    },
  )

  it('is passed on by a worker: 8 s by default, and again at each call', async () => {
    const calls: unknown[] = []
    const inbox = {
      put: async () => 'stored' as const,
      start: async () => {},
      close: async (options: object) => void calls.push(options),
    }
    const worker = createWorker({ inbox })
    await worker.start()
    await worker.close()
    await worker.close({ graceMs: 5 })
    expect(calls).toMatchObject([{ graceMs: 8000 }, { graceMs: 5 }])
  })
})

describe('a second close', () => {
  it.each(['of the same consumer', 'of everyone'])('%s shortens the time, and never extends it', async (whose) => {
    stopTimers()
    const { inbox, consumer, signals } = await busyInbox()
    const options = whose === 'of everyone' ? {} : { consumer }
    const first = inbox.close({ graceMs: 60_000, consumer })
    const longer = inbox.close({ graceMs: 90_000, ...options })
    const shorter = inbox.close({ graceMs: 2000, ...options })
    await vi.advanceTimersByTimeAsync(999)
    expect(signals[0]?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(signals[0]?.aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(500)
    expect(await hasResolved(Promise.all([first, longer, shorter]))).toBe(true)
  })

  it('of another consumer changes nothing for the first, whose store stays open', async () => {
    const { inbox, calls } = slowStore({})
    const { consumer, signals, end } = await busyInbox(inbox)
    const other = createInboxConsumer(() => {}, 'other')
    await inbox.start(other)
    const first = inbox.close({ graceMs: 60_000, consumer })
    await inbox.close({ graceMs: 0, consumer: other })
    expect(signals[0]?.aborted).toBe(false)
    expect(calls).not.toContain('close')
    end()
    await first
    expect(calls.filter((call) => call === 'close')).toHaveLength(1)
    expect(await inbox.stats()).toMatchObject({ done: 1 })
  })
})

describe('a store that is being opened while it is closed', () => {
  it('is closed after it was opened, and not opened again', async () => {
    const { promise: opened, resolve: openNow } = openable()
    const { inbox, calls } = slowStore({ open: opened })
    const started = inbox.start(createInboxConsumer(() => {}))
    await untilTrue(() => calls.includes('open'))
    const closed = inbox.close()
    openNow()
    await Promise.all([started, closed])
    await inbox.close()
    expect(calls).toEqual(['open', 'open has ended', 'close', 'close has ended', 'close', 'close has ended'])
  })

  it('does not delay close beyond its time, and is closed once it is open', async () => {
    const { promise: opened, resolve: openNow } = openable()
    const { inbox, calls } = slowStore({ open: opened })
    const started = inbox.start(createInboxConsumer(() => {}))
    await untilTrue(() => calls.includes('open'))
    await inbox.close({ graceMs: 0 })
    openNow()
    await started
    await untilTrue(() => calls.includes('close has ended'))
    expect(calls).toEqual(['open', 'open has ended', 'close', 'close has ended'])
  })

  it('is not opened at all if the consumer leaves in the turn in which it started', async () => {
    const { inbox, calls } = slowStore({})
    const started = inbox.start(createInboxConsumer(() => {}))
    await Promise.all([started, inbox.close()])
    expect(calls).toEqual(['close', 'close has ended'])
  })

  it('is opened for the next consumer after it was closed', async () => {
    const { promise: closedNow, resolve: closeNow } = openable()
    const { inbox, calls } = slowStore({ close: closedNow })
    const consumer = createInboxConsumer(() => {})
    await inbox.start(consumer)
    const closed = inbox.close()
    await untilTrue(() => calls.includes('close'))
    const before = calls.length
    const started = inbox.start(consumer)
    closeNow()
    await Promise.all([closed, started])
    expect(calls.slice(before, before + 2)).toEqual(['close has ended', 'open'])
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { done: 1 })
    await inbox.close()
  })
})

it('releases events that were being claimed, without running their handlers', async () => {
  const { promise: claimed, resolve: claimNow } = openable()
  const { inbox, calls } = slowStore({ claim: claimed })
  const { consumer, signals } = hangingConsumer()
  const event = createInboxEvent()
  await inbox.put(event)
  await inbox.start(consumer)
  await untilTrue(() => calls.includes('claim'))
  const closed = inbox.close()
  claimNow()
  await closed
  expect(signals).toEqual([])
  expect(await inbox.get(event.eventId)).toMatchObject({ state: 'ready', attempts: 0 })
  expect(calls.at(-1)).toBe('close has ended')
})

it('keeps a closed worker from starting', async () => {
  const { inbox, calls } = slowStore({})
  const worker = createWorker({ inbox })
  await worker.close()
  const before = calls.length
  await worker.start()
  expect(calls).toHaveLength(before)
})

it("rejects with the store's error", async () => {
  const { inbox } = slowStore({ close: Promise.reject(new Error('out of paper')) })
  await expect(inbox.close()).rejects.toThrow('out of paper')
})
