import { PermanentError, RetryLaterError, WebhookError } from '@scrapenest-webhooks/core'
import {
  createInboxConsumer,
  createInboxEvent,
  type FakeClock,
  fakeClock,
  untilInboxStats,
} from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Inbox, type InboxOptions, memoryInbox, sqliteInbox } from '../../src/index.ts'
import { temporaryFile } from '../temporary-file.ts'

const engines = [
  { engine: 'memory', create: (options: InboxOptions): Inbox => memoryInbox(options) },
  {
    engine: 'sqlite',
    create: (options: InboxOptions): Inbox => sqliteInbox({ file: temporaryFile(), ...options }),
  },
]

const until = (condition: () => boolean | Promise<boolean>): Promise<boolean> =>
  vi.waitUntil(condition, { timeout: 5000, interval: 2 })

describe.each(engines)('retries in $engine, by a clock that stands still', ({ create }) => {
  function createInbox(options: InboxOptions = {}): { readonly inbox: Inbox; readonly clock: FakeClock } {
    const clock = fakeClock(1_700_000_000_000)
    // Polls often. Only the clock decides what is due.
    const inbox = create({ now: clock.now, random: () => 0.5, pollIntervalMs: 2, ...options })
    onTestFinished(() => inbox.close({ graceMs: 0 }))
    return { inbox, clock }
  }

  it('completes an event that fails three times on attempt 4, after growing delays', async () => {
    const { inbox, clock } = createInbox()
    const startedAtMs: number[] = []
    const event = createInboxEvent()
    await inbox.start(
      createInboxConsumer((_, { attempt }) => {
        startedAtMs.push(clock.now())
        if (attempt <= 3)
          throw new WebhookError('handler_failed', undefined, { cause: new Error(`failure ${attempt}`) })
      }),
    )
    await inbox.put(event)
    for (const [failures, delayMs] of [
      [1, 2_500],
      [2, 15_000],
      [3, 60_000],
    ] as const) {
      await untilInboxStats(inbox, { ready: 1, running: 0 })
      await until(async () => (await inbox.get(event.eventId))?.history.length === failures)
      expect((await inbox.get(event.eventId))?.dueAt).toEqual(new Date(clock.now() + delayMs))
      clock.advance(delayMs - 1)
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(startedAtMs).toHaveLength(failures)
      clock.advance(1)
    }
    await untilInboxStats(inbox, { done: 1 })
    expect(startedAtMs.map((ms) => ms - 1_700_000_000_000)).toEqual([0, 2_500, 17_500, 77_500])
    expect((await inbox.get(event.eventId))?.attempts).toBe(4)
  })

  it('is dead immediately after a permanent error, and done when it is replayed', async () => {
    const { inbox } = createInbox()
    const event = createInboxEvent()
    let isMended = false
    await inbox.start(
      createInboxConsumer(() => {
        if (!isMended) throw new PermanentError('no such customer')
      }),
    )
    await inbox.put(event)
    await untilInboxStats(inbox, { dead: 1 })
    expect((await inbox.get(event.eventId))?.history).toMatchObject([
      { attempt: 1, error: { code: 'permanent_failure', name: 'PermanentError', message: 'no such customer' } },
    ])
    isMended = true
    await inbox.replay({ eventId: event.eventId })
    await untilInboxStats(inbox, { done: 1, dead: 0 })
  })

  it('follows RetryLaterError instead of the backoff, and still counts', async () => {
    const { inbox, clock } = createInbox({ maxAttempts: 2 })
    const event = createInboxEvent()
    await inbox.start(
      createInboxConsumer(() => {
        throw new RetryLaterError('busy', { retryAfterSeconds: 3600 })
      }),
    )
    await inbox.put(event)
    await until(async () => (await inbox.get(event.eventId))?.history.length === 1)
    expect((await inbox.get(event.eventId))?.dueAt).toEqual(new Date(clock.now() + 3_600_000))
    clock.advance(3_600_000)
    await untilInboxStats(inbox, { dead: 1 })
  })

  it('waits a minute if a custom backoff returns no number', async () => {
    const { inbox, clock } = createInbox({ backoff: () => Number.NaN })
    const event = createInboxEvent()
    await inbox.start(
      createInboxConsumer(() => {
        throw new WebhookError('handler_failed', undefined, { cause: new Error('failure') })
      }),
    )
    await inbox.put(event)
    await until(async () => (await inbox.get(event.eventId))?.history.length === 1)
    expect((await inbox.get(event.eventId))?.dueAt).toEqual(new Date(clock.now() + 60_000))
  })

  it('renews the lease for as long as a handler runs', async () => {
    const { inbox, clock } = createInbox({ leaseMs: 1500 })
    const event = createInboxEvent()
    let letGo: () => void = () => {}
    await inbox.start(
      createInboxConsumer(async () => {
        await new Promise<void>((resolve) => {
          letGo = resolve
        })
      }),
    )
    await inbox.put(event)
    await untilInboxStats(inbox, { running: 1 })
    const claimedUntil = (await inbox.get(event.eventId))?.dueAt as Date
    clock.advance(50)
    await until(async () => Number((await inbox.get(event.eventId))?.dueAt) === claimedUntil.getTime() + 50)
    clock.advance(50)
    await until(async () => Number((await inbox.get(event.eventId))?.dueAt) === claimedUntil.getTime() + 100)
    letGo()
    await untilInboxStats(inbox, { done: 1 })
    expect((await inbox.get(event.eventId))?.attempts).toBe(1)
  })

  it('purges done events when they are older than keepDoneMs, and never dead ones', async () => {
    const { inbox, clock } = createInbox({ keepDoneMs: 1000 })
    const received = { receivedAt: new Date(clock.now()) }
    await inbox.start(
      createInboxConsumer((event) => {
        if (event.eventType === 'artifact.ready') throw new PermanentError('dead')
      }),
    )
    await inbox.put(createInboxEvent({ ...received, eventType: 'artifact.ready' }))
    await inbox.put(createInboxEvent(received))
    await untilInboxStats(inbox, { done: 1, dead: 1 })
    await new Promise((resolve) => setTimeout(resolve, 150))
    await untilInboxStats(inbox, { done: 1, dead: 1 })
    clock.advance(1001)
    await untilInboxStats(inbox, { done: 0, dead: 1 })
  })
})
