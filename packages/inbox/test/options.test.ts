import { createReceiver } from '@scrapenest-webhooks/core'
import { createInboxConsumer, createInboxEvent, generateSecret, untilInboxStats } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createWorker, type InboxOptions, memoryInbox } from '../src/index.ts'

describe('options', () => {
  it.each([
    [{ concurrency: 0 }, 'Expected concurrency to be a whole number from 1 to 1000, got 0.'],
    [{ maxAttempts: 1.5 }, 'Expected maxAttempts to be a whole number from 1 to 9007199254740991, got 1.5.'],
    [{ handlerTimeoutMs: Number.POSITIVE_INFINITY }, 'Expected handlerTimeoutMs to be a whole number'],
    [{ leaseMs: 1 }, 'Expected leaseMs to be a whole number from 30'],
    [{ backoff: 5 }, 'Expected backoff to be a function, got 5.'],
    [{ keepPayload: 'no' }, 'Expected keepPayload to be true or false, got string.'],
    [{ concurency: 5 }, 'Unknown option "concurency". The options are backoff, concurrency,'],
  ])('%j is refused', (options, message) => {
    expect(() => memoryInbox(options as InboxOptions)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringContaining(message) }),
    )
  })

  it('of list, replay and purge are checked', async () => {
    const inbox = memoryInbox()
    const refused = expect.objectContaining({ code: 'configuration_invalid' })
    await expect(inbox.list({ limit: 0 })).rejects.toEqual(refused)
    await expect(inbox.list({ limit: 1001 })).rejects.toEqual(refused)
    await expect(inbox.list({ cursor: 'x' })).rejects.toEqual(refused)
    await expect(inbox.replay({} as never)).rejects.toEqual(refused)
    await expect(inbox.purge({} as never)).rejects.toEqual(refused)
    await expect(inbox.purge({ state: 'ready' } as never)).rejects.toEqual(refused)
  })
})

describe('createWorker', () => {
  it('refuses a value that is not an inbox, and unknown options', () => {
    expect(() => createWorker({ inbox: undefined as never })).toThrow(/Expected inbox to be an Inbox/)
    expect(() => createWorker({ inbox: memoryInbox(), secret: 'x' } as never)).toThrow(/Unknown option "secret"/)
  })

  it('handles what a receiver of the same name stores, and starts and closes once', async () => {
    const inbox = memoryInbox()
    const receiver = createReceiver({ secret: generateSecret(), inbox, processing: false })
    await receiver.start()
    const handled: string[] = []
    const worker = createWorker({ inbox, onEvent: { 'job.created': (event) => handled.push(event.event_id) } })
    await Promise.all([worker.start(), worker.start()])
    const event = createInboxEvent()
    await inbox.put(event)
    await inbox.put(createInboxEvent({ name: 'another' }))
    await untilInboxStats(inbox, { done: 1, ready: 1 })
    expect(handled).toEqual([event.eventId])
    await Promise.all([worker.close(), worker.close()])
    await inbox.put(createInboxEvent())
    await receiver.close()
    expect((await inbox.stats()).ready).toBe(2)
  })

  it('refuses a second one for the same name in the same inbox', async () => {
    const inbox = memoryInbox()
    await inbox.start(createInboxConsumer(() => {}))
    onTestFinished(() => inbox.close())
    await expect(createWorker({ inbox }).start()).rejects.toThrow(/Two receivers or workers named 'scrapenest'/)
  })
})

it('refuses a misspelled filter condition, which would otherwise select everything', async () => {
  const inbox = memoryInbox()
  await expect(inbox.purge({ state: 'done', eventtype: 'x' } as never)).rejects.toThrow(/Unknown option "eventtype"/)
  await expect(inbox.replay({ state: 'done', eventtype: 'x' } as never)).rejects.toThrow(/Unknown option "eventtype"/)
  await expect(inbox.list({ sate: 'done' } as never)).rejects.toThrow(/Unknown option "sate"/)
})
