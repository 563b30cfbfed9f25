import { ConfigurationError, type InboxConsumer } from '@scrapenest-webhooks/core'
import { createInboxConsumer } from '@scrapenest-webhooks/testing'
import { expect, it, onTestFinished, vi } from 'vitest'
import { InboxUnavailableError } from '../../src/index.ts'
import { readInboxOptions } from '../../src/options.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { StoredInbox } from '../../src/store/stored-inbox.ts'

const down = new InboxUnavailableError('io_error', 'The server is down.')
const refusal = (text: string): Error => new InboxUnavailableError('cannot_open', text, new ConfigurationError(text))

it('reports an outage again, once, when the server is back and refuses the configuration', async () => {
  let failure: Error | undefined = down
  let claims = 0
  const store = new (class extends MemoryStore {
    override async claim(...args: Parameters<MemoryStore['claim']>): ReturnType<MemoryStore['claim']> {
      claims += 1
      if (failure !== undefined) throw failure
      return await super.claim(...args)
    }
  })()
  const inbox = new StoredInbox(store, readInboxOptions({ pollIntervalMs: 10 }))
  onTestFinished(() => inbox.close())
  const reports: unknown[] = []
  const notes: string[] = []
  const consumer: InboxConsumer = {
    ...createInboxConsumer(() => {}),
    report: (error) => void reports.push(error),
    note: (message) => void notes.push(message),
  }
  async function failFor(seen: Error): Promise<void> {
    failure = seen
    const until = claims + 3
    await vi.waitFor(() => expect(claims).toBeGreaterThan(until), 10_000)
  }

  await inbox.start(consumer)
  await failFor(down)
  const wrongPassword = refusal('The password is wrong.')
  await failFor(wrongPassword)
  await failFor(down)
  await failFor(refusal('A permission is missing.'))
  expect(reports).toEqual([down, wrongPassword])

  failure = undefined
  await vi.waitFor(() => expect(notes).toEqual(["The inbox's store is available again."]), 10_000)
  await failFor(down)
  await failFor(wrongPassword)
  expect(reports).toEqual([down, wrongPassword, down, wrongPassword])
})
