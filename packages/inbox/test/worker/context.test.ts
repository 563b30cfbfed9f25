import { AsyncLocalStorage } from 'node:async_hooks'
import { createInboxConsumer, createInboxEvent, untilInboxStats } from '@scrapenest-webhooks/testing'
import { describe, expect, it, vi } from 'vitest'
import { type Inbox, memoryInbox, sqliteInbox } from '../../src/index.ts'
import { readInboxOptions } from '../../src/options.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { StoredInbox } from '../../src/store/stored-inbox.ts'
import { temporaryFile } from '../temporary-file.ts'

const inboxes: readonly [string, () => Inbox][] = [
  ['memory', () => memoryInbox({ backoff: () => 1, pollIntervalMs: 5 })],
  ['sqlite', () => sqliteInbox({ file: temporaryFile(), backoff: () => 1, pollIntervalMs: 5 })],
]

describe.each(inboxes)('the handlers and reports of an inbox in %s', (_engine, open) => {
  it('run in the async context of start, never in that of a request or a replay', async () => {
    const tenants = new AsyncLocalStorage<string>()
    await using inbox = open()
    const seen: unknown[] = []
    let failures = 3
    const handled = createInboxConsumer(() => {
      seen.push(tenants.getStore())
      failures -= 1
      if (failures >= 0) throw new Error('once more')
    })
    const reported: unknown[] = []
    const consumer = { ...handled, report: () => void reported.push(tenants.getStore()) }
    await tenants.run('start', () => inbox.start(consumer))
    const events = Array.from({ length: 20 }, () => createInboxEvent())
    for (const event of events) await tenants.run(`request ${event.eventId}`, () => inbox.put(event))
    await untilInboxStats(inbox, { done: 20 })
    await tenants.run('replay', () => inbox.replay({ state: 'done' }))
    await untilInboxStats(inbox, { done: 20, ready: 0, running: 0 })
    expect(seen.length).toBeGreaterThan(20)
    expect(new Set(seen)).toEqual(new Set(['start']))
    expect(reported).toEqual(['start', 'start', 'start'])
  })
})

it('reports an outage that a request noticed first in the async context of start', async () => {
  const tenants = new AsyncLocalStorage<string>()
  const store = new MemoryStore()
  const claims = vi.spyOn(store, 'claim')
  await using inbox = new StoredInbox(store, readInboxOptions({ pollIntervalMs: 60_000 }))
  const reported: unknown[] = []
  const consumer = { ...createInboxConsumer(() => {}), report: () => void reported.push(tenants.getStore()) }
  await tenants.run('start', () => inbox.start(consumer))
  await vi.waitFor(() => expect(claims.mock.settledResults).toMatchObject([{ type: 'fulfilled' }]), 10_000)
  claims.mockRejectedValueOnce(new Error('away'))
  await tenants.run('request', () => inbox.put(createInboxEvent()))
  await vi.waitFor(() => expect(reported).toEqual(['start']), 10_000)
})
