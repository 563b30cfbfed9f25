import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Inbox, type InboxOptions, memoryInbox, sqliteInbox } from '../../src/index.ts'
import { readInboxOptions } from '../../src/options.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { StoredInbox } from '../../src/store/stored-inbox.ts'
import { temporaryFile } from '../temporary-file.ts'

const minute = 60_000
const day = 86_400_000

/** Sets the system clock, like an operator, NTP or a resumed virtual machine. Timers are unaffected. */
function setClock(byMs: number): void {
  const realNow = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + byMs)
}

afterEach(() => {
  vi.restoreAllMocks()
})

const engines: readonly [string, (options: InboxOptions) => Inbox][] = [
  ['memory', (options) => memoryInbox({ pollIntervalMs: 10, ...options })],
  ['sqlite', (options) => sqliteInbox({ file: temporaryFile(), pollIntervalMs: 10, ...options })],
]

describe.each(engines)('a clock that is set while an inbox in %s works', (_engine, create) => {
  function open(options: InboxOptions): Inbox {
    const inbox = create(options)
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    return inbox
  }

  it.each([2 * minute, 290_000, 5 * day])('forward by %d ms does not run an event twice', async (byMs) => {
    const inbox = open({ leaseMs: minute })
    let runs = 0
    let finish: () => void = () => {}
    const consumer = createInboxConsumer(async () => {
      runs += 1
      await new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    const notes: string[] = []
    await inbox.start({ ...consumer, note: (message) => notes.push(message) })
    await inbox.put(createInboxEvent())
    await vi.waitFor(() => expect(runs).toBe(1), 10_000)
    setClock(byMs)
    await vi.waitFor(() => expect(notes).toEqual([expect.stringMatching(/clock was set forward by \d/)]), 10_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    finish()
    await untilInboxStats(inbox, { done: 1 })
    expect(runs).toBe(1)
  })

  it('forward for a moment does not postpone a retry by that much', async () => {
    const inbox = open({ leaseMs: 60, backoff: () => 1 })
    let runs = 0
    await inbox.start(
      createInboxConsumer(() => {
        runs += 1
        if (runs > 1) return
        setClock(30 * day)
        throw new Error('once more')
      }),
    )
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { ready: 1 })
    vi.restoreAllMocks()
    await untilInboxStats(inbox, { done: 1 })
  })

  it.each([-290_000, -5 * day])('back by %d ms stops neither waiting events nor retries', async (byMs) => {
    const inbox = open({ leaseMs: 60, backoff: () => 200 })
    let runs = 0
    await inbox.put(createInboxEvent({ name: 'waiting' }))
    await inbox.start(
      createInboxConsumer(() => {
        runs += 1
        if (runs === 1) throw new Error('once more')
      }),
    )
    await inbox.put(createInboxEvent())
    await untilInboxStats(inbox, { ready: 2 })
    setClock(byMs)
    await inbox.start(createInboxConsumer(() => {}, 'waiting'))
    await untilInboxStats(inbox, { done: 2 })
  })
})

describe('the lease of an attempt', () => {
  it('is lost when the store no longer holds it: the signal is aborted, and nothing is recorded', async () => {
    const store = new (class extends MemoryStore {
      readonly codes: unknown[] = []
      override async renew(): Promise<ReadonlySet<string>> {
        return new Set()
      }
      override async end(...args: Parameters<MemoryStore['end']>): Promise<boolean> {
        this.codes.push(args[1].error?.code)
        return await super.end(...args)
      }
    })()
    const inbox = new StoredInbox(store, readInboxOptions({ leaseMs: 60 }))
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    let reason: unknown
    await inbox.start(
      createInboxConsumer(async (_event, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        reason = signal.reason
      }),
    )
    await inbox.put(createInboxEvent())
    await vi.waitFor(() => expect(reason).toMatchObject({ code: 'event_in_progress' }), 10_000)
    expect(reason).toMatchObject({ message: expect.stringContaining('lease') })
    await new Promise((resolve) => setTimeout(resolve, 20))
    // Recorded by the process that finds the lease expired, and never as a success.
    await vi.waitFor(() => expect(store.codes).toEqual(['lease_ended']), 10_000)
  })

  it('is lost when no renewal is answered before it expires', async () => {
    const store = new (class extends MemoryStore {
      override async renew(): Promise<ReadonlySet<string>> {
        return await new Promise(() => {})
      }
    })()
    const inbox = new StoredInbox(store, readInboxOptions({ leaseMs: 60 }))
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    let isAborted = false
    await inbox.start(
      createInboxConsumer(async (_event, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        isAborted = true
      }),
    )
    await inbox.put(createInboxEvent())
    await vi.waitFor(() => expect(isAborted).toBe(true), 10_000)
  })
})

describe('a blocked event loop', () => {
  it('is reported, with its duration, if it lasts for more than a third of the lease', async () => {
    const inbox = memoryInbox({ leaseMs: 300 })
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    const notes: string[] = []
    const consumer = createInboxConsumer(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    await inbox.start({ ...consumer, note: (message) => notes.push(message) })
    await inbox.put(createInboxEvent())
    await vi.waitFor(() => expect(notes).not.toEqual([]), 10_000)
    expect(Number(/blocked for (\d+\.\d) s/.exec(String(notes[0]))?.[1])).toBeGreaterThanOrEqual(0.2)
  })
})
