import { ConfigurationError, type InboxConsumer } from '@scrapenest-webhooks/core'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createWorker, InboxUnavailableError } from '../../src/index.ts'
import { readInboxOptions } from '../../src/options.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { StoredInbox } from '../../src/store/stored-inbox.ts'

/** A store that is unavailable until it is repaired, and an inbox on it. */
function unavailableInbox(failure: unknown) {
  let isAvailable = false
  const store = new (class extends MemoryStore {
    override async open(): Promise<void> {
      if (!isAvailable) throw failure
    }
    override async claim(...args: Parameters<MemoryStore['claim']>): ReturnType<MemoryStore['claim']> {
      if (!isAvailable) throw failure
      return await super.claim(...args)
    }
  })()
  const inbox = new StoredInbox(store, readInboxOptions({ pollIntervalMs: 20 }))
  onTestFinished(() => inbox.close())
  return { inbox, makeAvailable: () => (isAvailable = true) }
}

function recordingConsumer(): InboxConsumer & { readonly reports: unknown[]; readonly notes: string[] } {
  const reports: unknown[] = []
  const notes: string[] = []
  return {
    ...createInboxConsumer(() => {}),
    report: (error) => void reports.push(error),
    note: (message) => void notes.push(message),
    reports,
    notes,
  }
}

const outage = new InboxUnavailableError('io_error', 'The database is down.')

afterEach(() => {
  vi.useRealTimers()
})

describe('starting an inbox whose store is unavailable', () => {
  it('resolves, reports it, and works once the store is available', async () => {
    const { inbox, makeAvailable } = unavailableInbox(outage)
    const consumer = recordingConsumer()
    await inbox.start(consumer)
    await vi.waitFor(() => expect(consumer.reports).toEqual([outage]), 10_000)
    await inbox.put(createInboxEvent())
    makeAvailable()
    await untilInboxStats(inbox, { done: 1 })
    expect(consumer.reports).toEqual([outage])
    expect(consumer.notes).toEqual(["The inbox's store is available again."])
  })

  it('resolves and reports it for a process that only stores', async () => {
    const { inbox, makeAvailable } = unavailableInbox(outage)
    const consumer = { ...recordingConsumer(), process: undefined }
    await inbox.start(consumer)
    expect(consumer.reports).toEqual([outage])
    makeAvailable()
    await vi.waitFor(() => expect(consumer.notes).toHaveLength(1), { timeout: 5000 })
    expect(consumer.notes).toEqual(["The inbox's store is available again."])
  })

  it('reports an unknown error as store_unavailable', async () => {
    const { inbox } = unavailableInbox(new TypeError('broken'))
    const consumer = recordingConsumer()
    await inbox.start(consumer)
    const failure = { code: 'store_unavailable', cause: new TypeError('broken') }
    await vi.waitFor(() => expect(consumer.reports).toMatchObject([failure]), 10_000)
  })

  it.each([
    ['a ConfigurationError', new ConfigurationError('Grant the right.')],
    [
      'an error with one as its cause',
      new InboxUnavailableError('io_error', 'Refused.', new ConfigurationError('Grant the right.')),
    ],
  ])('rejects with a failure that no retry can fix, and works once it is fixed: %s', async (_kind, failure) => {
    const { inbox, makeAvailable } = unavailableInbox(failure)
    const consumer = recordingConsumer()
    await expect(inbox.start(consumer)).rejects.toBe(failure)
    await inbox.put(createInboxEvent())
    makeAvailable()
    await untilInboxStats(inbox, { done: 1 })
  })

  it('stops trying once the consumer has left', async () => {
    const { inbox } = unavailableInbox(outage)
    const consumer = recordingConsumer()
    await inbox.start(consumer)
    await inbox.close({ graceMs: 0, consumer })
    const { length } = consumer.reports
    await new Promise((resolve) => setTimeout(resolve, 1200))
    expect(consumer.reports).toHaveLength(length)
    expect(consumer.notes).toEqual([])
  })
})

describe('a worker', () => {
  it('starts while the store is unavailable, and handles what is stored later', async () => {
    const { inbox, makeAvailable } = unavailableInbox(outage)
    const handled: string[] = []
    const onError = vi.fn()
    const worker = createWorker({ inbox, onError, onEvent: { '*': ({ event_id }) => void handled.push(event_id) } })
    onTestFinished(() => worker.close({ graceMs: 0 }))
    await worker.start()
    await vi.waitFor(() => expect(onError).toHaveBeenCalledWith(outage, { code: 'store_unavailable' }), 10_000)
    const event = createInboxEvent()
    await inbox.put(event)
    makeAvailable()
    await vi.waitFor(() => expect(handled).toEqual([event.eventId]), 10_000)
  })

  it('can be started again after a refusal', async () => {
    const failure = new ConfigurationError('Grant the right.')
    const { inbox, makeAvailable } = unavailableInbox(failure)
    const worker = createWorker({ inbox })
    onTestFinished(() => worker.close({ graceMs: 0 }))
    await expect(worker.start()).rejects.toBe(failure)
    makeAvailable()
    await worker.start()
  })
})
