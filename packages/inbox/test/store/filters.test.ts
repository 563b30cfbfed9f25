import { runInNewContext } from 'node:vm'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { type Inbox, memoryInbox, sqliteInbox } from '../../src/index.ts'
import { temporaryFile } from '../temporary-file.ts'

const invalid: readonly object[] = [
  { finishedBefore: new Date(Number.NaN) },
  { finishedBefore: 1_700_000_000_000 },
  { finishedBefore: '2026-01-01' },
  { finishedBefore: null },
  { receivedFrom: new Date('never') },
  { receivedBefore: {} },
  { finishedBeforee: new Date() },
  { name: null },
  { eventId: 7 },
  { eventType: ['job.created'] },
  { scope: null },
  { isUnhandled: 'no' },
  { state: 'Done' },
]

const inboxes: readonly [string, () => Inbox][] = [
  ['memory', () => memoryInbox()],
  ['sqlite', () => sqliteInbox({ file: temporaryFile() })],
]

describe.each(inboxes)('a filter in %s', (_engine, open) => {
  it.each(invalid)('is refused if it is invalid, and selects nothing: %j', async (filter) => {
    await using inbox = open()
    await inbox.put(createInboxEvent())
    const refusal = { code: 'configuration_invalid' }
    await expect(inbox.list(filter)).rejects.toMatchObject(refusal)
    await expect(inbox.purge({ state: 'done', ...filter })).rejects.toMatchObject(refusal)
    await expect(inbox.replay({ state: 'done', ...filter })).rejects.toMatchObject(refusal)
    expect(await inbox.stats()).toMatchObject({ ready: 1 })
  })

  it('accepts a date from another realm, as under Jest', async () => {
    await using inbox = open()
    const finishedBefore = runInNewContext('new Date()') as Date
    expect(await inbox.purge({ state: 'done', finishedBefore })).toBe(0)
  })
})
