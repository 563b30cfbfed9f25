import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  ConfigurationError,
  type DuplicateStore,
  type InboxConnection,
  type InboxConsumer,
  memoryDuplicates,
  WebhookError,
  type WebhookRequest,
} from '../../src/index.ts'
import {
  answer,
  deferred,
  deliver,
  eventOf,
  failing,
  hang,
  otherSecret,
  refusal,
  secret,
  type TestOptions,
  testReceiver,
  useFakeTimersInContext,
} from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const receiverClosing = { status: 503, body: { error: 'receiver_closing' } }

beforeEach(useFakeTimersInContext)
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Lets everything run that does not wait for a timer. */
const turn = () => vi.advanceTimersByTimeAsync(0)

/** Whether a promise has settled, and how. */
function watch<Value>(promise: Promise<Value>): {
  readonly isSettled: boolean
  readonly value?: Value
  error?: unknown
} {
  const state: { isSettled: boolean; value?: Value; error?: unknown } = { isSettled: false }
  promise.then(
    (value) => Object.assign(state, { isSettled: true, value }),
    (error: unknown) => Object.assign(state, { isSettled: true, error }),
  )
  return state
}

/** An inbox whose calls are recorded. */
function inboxWith(methods: Partial<InboxConnection> = {}) {
  return {
    put: vi.fn<InboxConnection['put']>(methods.put ?? (async () => 'stored')),
    start: vi.fn<InboxConnection['start']>(methods.start ?? (async () => {})),
    close: vi.fn<InboxConnection['close']>(methods.close ?? (async () => {})),
  }
}

/** A duplicate store whose `close` is recorded. */
function storeWith(methods: Partial<DuplicateStore> = {}) {
  const { claim, complete, release } = memoryDuplicates()
  return { claim, complete, release, ...methods, close: vi.fn(methods.close) }
}

describe('start', () => {
  it('causes one warning if events are stored and it is never called', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const forgetful = testReceiver({ inbox: inboxWith() })
    await forgetful.receive(deliver())
    await forgetful.receive(deliver())
    const prompt = testReceiver({ inbox: inboxWith() })
    await prompt.receive(deliver())
    await prompt.start()
    const storing = testReceiver({ inbox: inboxWith(), processing: false })
    await storing.receive(deliver())
    await vi.advanceTimersByTimeAsync(5000)
    expect(forgetful.lines).toMatchObject([
      { level: 'warn', message: expect.stringContaining('Call receiver.start(), or set processing: false') },
    ])
    expect(prompt.lines).toEqual([])
    expect(storing.lines).toEqual([])
  })

  it('opens the inbox once and passes it the consumer', async () => {
    const inbox = inboxWith()
    const receiver = testReceiver({ inbox, name: 'one' })
    await Promise.all([receiver.start(), receiver.start()])
    await receiver.start()
    expect(inbox.start.mock.calls).toEqual([
      [{ name: 'one', process: expect.any(Function), report: expect.any(Function), note: expect.any(Function) }],
    ])
  })

  it('leaves the handlers to another process if processing is false', async () => {
    const inbox = inboxWith()
    await testReceiver({ inbox, processing: false }).start()
    expect(inbox.start.mock.calls).toMatchObject([[{ name: 'scrapenest', process: undefined }]])
  })

  it('rejects and reports when the inbox cannot be opened, and can be called again', async () => {
    const onError = vi.fn()
    let isFixed = false
    const inbox = inboxWith({ start: () => (isFixed ? Promise.resolve() : Promise.reject(new Error('locked'))) })
    const receiver = testReceiver({ inbox, onError })
    await expect(receiver.start()).rejects.toThrow('locked')
    await expect(receiver.start()).rejects.toThrow('locked')
    isFixed = true
    await receiver.start()
    await receiver.start()
    expect(inbox.start).toHaveBeenCalledTimes(3)
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('locked') }),
      expect.objectContaining({ code: 'store_unavailable' }),
    )
    expect(receiver.lines).toMatchObject([{ level: 'error', fields: { code: 'store_unavailable' } }])
  })

  it('reports an error of this library unchanged', async () => {
    const onError = vi.fn()
    const error = new ConfigurationError('Choose another file.')
    const inbox = inboxWith({ start: failing(error) })
    await expect(testReceiver({ inbox, onError }).start()).rejects.toBe(error)
    expect(onError).toHaveBeenCalledExactlyOnceWith(error, { code: 'configuration_invalid' })
  })

  it('neither delays nor refuses deliveries while it is pending', async () => {
    const receiver = testReceiver({ inbox: inboxWith({ start: hang }) })
    void receiver.start()
    expect(await answer(receiver)).toEqual(accepted)
  })

  it('does nothing after close', async () => {
    const inbox = inboxWith()
    const receiver = testReceiver({ inbox, onEvent: { 'order.*': () => {} } as object })
    await receiver.close()
    await receiver.start()
    expect(inbox.start).not.toHaveBeenCalled()
    expect(receiver.lines).toEqual([])
  })

  it('does nothing while it closes', async () => {
    const inbox = inboxWith({ close: hang })
    const receiver = testReceiver({ inbox })
    const closed = receiver.close({ graceMs: 100 })
    await receiver.start()
    await vi.advanceTimersByTimeAsync(100)
    await closed
    expect(inbox.start).not.toHaveBeenCalled()
  })
})

describe('close', () => {
  it('resolves immediately if nothing is open, even when called repeatedly', async () => {
    const [duplicates, inbox] = [storeWith(), inboxWith()]
    const receiver = testReceiver({ duplicates, inbox })
    await Promise.all([receiver.close(), receiver.close()])
    await receiver.close()
    expect(duplicates.close).toHaveBeenCalledTimes(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('refuses deliveries while it waits, and after that', async () => {
    const work = deferred()
    const receiver = testReceiver({ onEvent: { '*': () => work.promise } })
    const reply = answer(receiver)
    await turn()
    const closed = receiver.close()
    const other = () => deliver(eventOf('job.created', {}, 'event_2'))
    expect(await answer(receiver, other())).toEqual(receiverClosing)
    work.resolve()
    expect(await reply).toEqual(accepted)
    await closed
    expect(await answer(receiver, other())).toEqual(receiverClosing)
  })

  it.each<[string, TestOptions, () => WebhookRequest]>([
    ['secret', { secret: hang }, deliver],
    ['body', {}, () => ({ ...deliver(), body: hang })],
  ])(
    'answers a delivery whose %s is awaited at once, closing its connection, and does not wait for it',
    async (_phase, options, request) => {
      const outcomes: unknown[] = []
      const receiver = testReceiver({ ...options, onDelivery: ({ result }) => void outcomes.push(result) })
      const reply = watch(receiver.receive(request()))
      await turn()
      const closed = watch(receiver.close({ graceMs: Number.POSITIVE_INFINITY }))
      await turn()
      expect(reply.value).toMatchObject({
        status: 503,
        headers: { 'retry-after': '30', connection: 'close' },
        body: '{"error":"receiver_closing"}',
      })
      expect(closed).toEqual({ isSettled: true, value: undefined })
      expect(outcomes).toEqual(['receiver_closing'])
    },
  )

  it('does not use a secret or a body that arrives after it', async () => {
    const [lateSecret, lateBody] = [deferred<string>(), deferred<Uint8Array>()]
    const handler = vi.fn()
    const receiver = testReceiver({ secret: () => lateSecret.promise, onEvent: { '*': handler } })
    const [waiting, reading] = [deliver(), deliver()]
    const bytes = await reading.body({ maxBytes: 9 })
    const other = testReceiver({ onEvent: { '*': handler } })
    const replies = [answer(receiver, waiting), answer(other, { ...reading, body: () => lateBody.promise })]
    await Promise.all([receiver.close(), other.close()])
    lateSecret.resolve(secret)
    lateBody.resolve(bytes)
    expect(await Promise.all(replies)).toEqual([receiverClosing, receiverClosing])
    await turn()
    expect(waiting.body).not.toHaveBeenCalled()
    expect(handler).not.toHaveBeenCalled()
  })

  it.each<[string, (work: Promise<void>) => TestOptions]>([
    ['a claim', (work) => ({ duplicates: storeWith({ claim: () => work.then(() => ({ state: 'done' })) }) })],
    ['a put', (work) => ({ inbox: inboxWith({ put: () => work.then(() => 'stored') }) })],
    ['a handler', (work) => ({ onEvent: { '*': () => work } })],
    ['a completion', (work) => ({ duplicates: storeWith({ complete: () => work }) })],
  ])('waits for %s, and no longer', async (_work, optionsWith) => {
    const work = deferred()
    const receiver = testReceiver(optionsWith(work.promise))
    const reply = watch(receiver.receive(deliver()))
    await turn()
    const closed = watch(receiver.close({ graceMs: 1000 }))
    await vi.advanceTimersByTimeAsync(500)
    expect([reply.isSettled, closed.isSettled]).toEqual([false, false])
    work.resolve()
    await turn()
    expect(reply.value).toMatchObject({ status: 202 })
    expect(closed.isSettled).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each<[string, TestOptions, string]>([
    ['store', { duplicates: storeWith({ claim: hang }) }, '{"error":"receiver_closing"}'],
    ['handlers', { onEvent: { '*': hang } }, '{"error":"receiver_closing"}'],
    ['ending', { duplicates: storeWith({ complete: hang }) }, '{"status":"accepted"}'],
  ])('answers a delivery in the phase %s when the budget ends', async (_phase, options, body) => {
    const receiver = testReceiver(options)
    const reply = watch(receiver.receive(deliver()))
    await turn()
    const closed = watch(receiver.close({ graceMs: 1000 }))
    await vi.advanceTimersByTimeAsync(999)
    expect([reply.isSettled, closed.isSettled]).toEqual([false, false])
    await vi.advanceTimersByTimeAsync(1)
    expect(reply.value?.body).toBe(body)
    expect(closed).toEqual({ isSettled: true, value: undefined })
  })

  it('aborts the signal of handlers when the budget ends, and reports no failure', async () => {
    const signals: AbortSignal[] = []
    const onError = vi.fn()
    const receiver = testReceiver({
      onError,
      onEvent: {
        '*': (_event, { signal }) => {
          signals.push(signal)
          return hang()
        },
      },
    })
    void receiver.receive(deliver())
    await turn()
    void receiver.close({ graceMs: 1000 })
    await vi.advanceTimersByTimeAsync(999)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    await vi.advanceTimersByTimeAsync(1)
    expect(signals.map(({ aborted, reason }) => [aborted, reason.code])).toEqual([[true, 'receiver_closing']])
    expect(onError).not.toHaveBeenCalled()
    expect(receiver.lines).toEqual([])
  })

  it('does not abort the signal of handlers that are done', async () => {
    const signals: AbortSignal[] = []
    const note = (_event: unknown, { signal }: { readonly signal: AbortSignal }): void => void signals.push(signal)
    const receiver = testReceiver({ duplicates: storeWith({ complete: hang }), onEvent: { '*': note } })
    void receiver.receive(deliver())
    await turn()
    void receiver.close({ graceMs: 0 })
    await turn()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  })

  it('waits for handlers that were already answered late, and keeps the first reason of their signal', async () => {
    const signals: AbortSignal[] = []
    const receiver = testReceiver({
      onEvent: {
        '*': (_event, { signal }) => {
          signals.push(signal)
          return hang()
        },
      },
    })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual({ status: 503, body: { error: 'handler_timeout' } })
    const closed = watch(receiver.close({ graceMs: 1000 }))
    await vi.advanceTimersByTimeAsync(999)
    expect(closed.isSettled).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(closed.isSettled).toBe(true)
    expect(signals[0]?.reason).toMatchObject({ code: 'handler_timeout' })
  })

  it('releases a claim that is granted after the budget, so that the retry can be handled elsewhere', async () => {
    const late = deferred<{ state: 'claimed'; token: string }>()
    const release = vi.fn()
    const handler = vi.fn()
    const receiver = testReceiver({
      duplicates: storeWith({ claim: () => late.promise, release }),
      onEvent: { '*': handler },
    })
    const reply = answer(receiver)
    await turn()
    await receiver.close({ graceMs: 0 })
    expect(await reply).toEqual(receiverClosing)
    late.resolve({ state: 'claimed', token: 'late' })
    await turn()
    expect(release.mock.calls).toEqual([['scrapenest/event_1', 'late']])
    expect(handler).not.toHaveBeenCalled()
  })

  it.each<[string, TestOptions, { graceMs?: number } | undefined, number]>([
    ['8 s', {}, undefined, 8000],
    ['closeGraceMs', { closeGraceMs: 300 }, undefined, 300],
    ['closeGraceMs where graceMs is undefined', { closeGraceMs: 300 }, {}, 300],
    ['graceMs', { closeGraceMs: 300 }, { graceMs: 500 }, 500],
  ])('has a budget of %s', async (_given, options, closeOptions, budgetMs) => {
    const receiver = testReceiver({ ...options, onEvent: { '*': hang } })
    void receiver.receive(deliver())
    await turn()
    const closed = watch(receiver.close(closeOptions))
    await vi.advanceTimersByTimeAsync(budgetMs - 1)
    expect(closed.isSettled).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(closed.isSettled).toBe(true)
  })

  it('waits as long as handlers take with graceMs: Infinity', async () => {
    const work = deferred()
    const receiver = testReceiver({ onEvent: { '*': () => work.promise } })
    void receiver.receive(deliver())
    await turn()
    const closed = watch(receiver.close({ graceMs: Number.POSITIVE_INFINITY }))
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(closed.isSettled).toBe(false)
    work.resolve()
    await turn()
    expect(closed.isSettled).toBe(true)
  })

  it.each([Number.NaN, -1, '30s', null])('rejects graceMs: %o and closes nothing', async (graceMs) => {
    const [inbox, duplicates] = [inboxWith(), storeWith()]
    const receiver = testReceiver({ inbox, duplicates })
    await receiver.start()
    await expect(receiver.close({ graceMs: graceMs as number })).rejects.toEqual(
      refusal('configuration_invalid', 'Expected graceMs to be'),
    )
    expect(inbox.close).not.toHaveBeenCalled()
    expect(duplicates.close).not.toHaveBeenCalled()
    expect(await answer(receiver)).toEqual(accepted)
  })

  it('rejects an invalid graceMs of a second call, and the first call continues', async () => {
    const work = deferred()
    const receiver = testReceiver({ onEvent: { '*': () => work.promise } })
    const reply = answer(receiver)
    await turn()
    const closed = watch(receiver.close())
    await expect(receiver.close({ graceMs: Number.NaN })).rejects.toEqual(refusal('configuration_invalid'))
    expect(closed.isSettled).toBe(false)
    work.resolve()
    expect(await reply).toEqual(accepted)
    await turn()
    expect(closed.isSettled).toBe(true)
  })

  it('writes what the log has counted', async () => {
    const receiver = testReceiver()
    for (let count = 0; count < 3; count += 1) await receiver.receive(deliver(undefined, { secret: otherSecret }))
    await receiver.close()
    expect(receiver.lines.map(({ fields }) => fields['repeats'])).toEqual([undefined, 2])
  })
})

describe('a second close', () => {
  it.each([
    ['ends the first at once', 0],
    ['shortens the first', 200],
  ])('%s', async (_effect, graceMs) => {
    const receiver = testReceiver({ onEvent: { '*': hang } })
    const reply = watch(receiver.receive(deliver()))
    await turn()
    const first = watch(receiver.close({ graceMs: 5000 }))
    await vi.advanceTimersByTimeAsync(100)
    const second = watch(receiver.close({ graceMs }))
    await vi.advanceTimersByTimeAsync(Math.max(0, graceMs - 1))
    if (graceMs > 0) expect(first.isSettled).toBe(false)
    await vi.advanceTimersByTimeAsync(graceMs > 0 ? 1 : 0)
    expect([first.isSettled, second.isSettled]).toEqual([true, true])
    expect(reply.value?.body).toBe('{"error":"receiver_closing"}')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('cannot extend the first', async () => {
    const receiver = testReceiver({ onEvent: { '*': hang } })
    void receiver.receive(deliver())
    await turn()
    const first = watch(receiver.close({ graceMs: 1000 }))
    const second = watch(receiver.close({ graceMs: 60_000 }))
    await vi.advanceTimersByTimeAsync(1000)
    expect([first.isSettled, second.isSettled]).toEqual([true, true])
  })

  it('passes the shorter time to an inbox that is already closing', async () => {
    const closing = deferred()
    const inbox = inboxWith({ close: () => closing.promise })
    const receiver = testReceiver({ inbox })
    await receiver.start()
    const first = watch(receiver.close({ graceMs: 5000 }))
    await vi.advanceTimersByTimeAsync(100)
    void receiver.close({ graceMs: 300 })
    await turn()
    expect(inbox.close.mock.calls.map(([{ graceMs }]) => graceMs)).toEqual([5000, 300])
    await vi.advanceTimersByTimeAsync(299)
    expect(first.isSettled).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(first.isSettled).toBe(true)
  })

  it("rejects with the inbox's error of the first call only, not that of the shorter one", async () => {
    const closing = deferred()
    const inbox = inboxWith()
    inbox.close
      .mockImplementationOnce(() => closing.promise)
      .mockImplementationOnce(failing(new Error('already closing')))
    const receiver = testReceiver({ inbox })
    const both = Promise.all([receiver.close(), turn().then(() => receiver.close({ graceMs: 300 }))])
    await turn()
    await turn()
    expect(inbox.close).toHaveBeenCalledTimes(2)
    closing.resolve()
    await both
  })

  it('does not close an inbox that is still being opened, nor one with pending puts', async () => {
    const [opening, storing] = [deferred(), deferred<'stored'>()]
    const inbox = inboxWith({ start: () => opening.promise, put: () => storing.promise })
    const receiver = testReceiver({ inbox })
    void receiver.start()
    const reply = answer(receiver)
    await turn()
    void receiver.close({ graceMs: 5000 })
    void receiver.close({ graceMs: 4000 })
    await turn()
    expect(inbox.close).not.toHaveBeenCalled()
    storing.resolve('stored')
    expect(await reply).toEqual(accepted)
    await turn()
    void receiver.close({ graceMs: 3000 })
    await turn()
    expect(inbox.close).not.toHaveBeenCalled()
    opening.resolve()
    await turn()
    expect(inbox.close).toHaveBeenCalledTimes(1)
  })

  it('rejects as the first did', async () => {
    const receiver = testReceiver({ duplicates: storeWith({ close: failing(new Error('stuck')) }) })
    const both = [receiver.close(), receiver.close()]
    for (const closed of [...both, receiver.close()]) await expect(closed).rejects.toThrow('stuck')
  })

  it('resolves once everything is closed when a hook calls it while the first call is answering deliveries', async () => {
    const closing = deferred()
    const duplicates = storeWith({ close: () => closing.promise })
    let nested: ReturnType<typeof watch> | undefined
    const receiver = testReceiver({
      duplicates,
      onDelivery: () => {
        nested = watch(receiver.close())
      },
    })
    void receiver.receive({ ...deliver(), body: hang })
    await turn()
    const closed = watch(receiver.close())
    await turn()
    expect([nested?.isSettled, closed.isSettled]).toEqual([false, false])
    closing.resolve()
    await turn()
    expect([nested?.isSettled, closed.isSettled]).toEqual([true, true])
    expect(duplicates.close).toHaveBeenCalledTimes(1)
  })
})

describe('close with an inbox', () => {
  it('closes it after pending puts, with the rest of the budget', async () => {
    const storing = deferred<'stored'>()
    const inbox = inboxWith({ put: () => storing.promise })
    const receiver = testReceiver({ inbox })
    await receiver.start()
    const reply = answer(receiver)
    await turn()
    const closed = receiver.close({ graceMs: 1000 })
    await vi.advanceTimersByTimeAsync(400)
    expect(inbox.close).not.toHaveBeenCalled()
    storing.resolve('stored')
    await closed
    expect(await reply).toEqual(accepted)
    expect(inbox.close.mock.calls).toEqual([[{ graceMs: 600, consumer: inbox.start.mock.calls[0]?.[0] }]])
  })

  it('has one budget for slow puts and a slow inbox together', async () => {
    const inbox = inboxWith({ put: hang, close: hang })
    const receiver = testReceiver({ inbox })
    const reply = watch(receiver.receive(deliver()))
    await turn()
    const closedAtMs = performance.now() + 1000
    const closed = watch(receiver.close({ graceMs: 1000 }))
    await vi.advanceTimersByTimeAsync(999)
    expect(reply.value?.body).toBe('{"error":"receiver_closing"}')
    expect(closed.isSettled).toBe(false)
    // The part of the budget that is reserved for releasing its events.
    expect(inbox.close).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ graceMs: expect.any(Number) }))
    expect(inbox.close.mock.calls[0]?.[0].graceMs).toBeGreaterThan(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(closed.isSettled).toBe(true)
    expect(performance.now()).toBe(closedAtMs)
  })

  it('waits until a pending start has ended, because the inbox would open again', async () => {
    const opening = deferred()
    const calls: string[] = []
    const inbox = inboxWith({
      start: () => opening.promise.then(() => void calls.push('opened')),
      close: async () => void calls.push('closed'),
    })
    const receiver = testReceiver({ inbox })
    const started = receiver.start()
    const closed = receiver.close({ graceMs: 1000 })
    await vi.advanceTimersByTimeAsync(500)
    expect(calls).toEqual([])
    opening.resolve()
    await Promise.all([started, closed])
    expect(calls).toEqual(['opened', 'closed'])
    expect(await answer(receiver)).toEqual(receiverClosing)
  })

  it.each<[string, () => Promise<void>]>([
    ['fails', () => Promise.reject(new Error('locked'))],
    ['hangs', hang],
  ])('closes it within the budget when a pending start %s', async (_given, start) => {
    const inbox = inboxWith({ start })
    const receiver = testReceiver({ inbox })
    const started = watch(receiver.start())
    const closed = watch(receiver.close({ graceMs: 1000 }))
    await vi.advanceTimersByTimeAsync(1000)
    expect(closed).toEqual({ isSettled: true, value: undefined })
    expect(inbox.close).toHaveBeenCalledTimes(1)
    expect(started.isSettled).toBe(start !== hang)
  })

  it.each<[string, () => Promise<void>]>([
    ['rejects', () => Promise.reject(new Error('disk full'))],
    ['throws', failing(new Error('disk full'))],
  ])(
    'rejects when the inbox %s, after it has closed the duplicate store and flushed the log',
    async (_given, close) => {
      const [inbox, duplicates] = [inboxWith({ close }), storeWith()]
      const receiver = testReceiver({ inbox, duplicates })
      for (let count = 0; count < 3; count += 1) await receiver.receive(deliver(undefined, { secret: otherSecret }))
      await expect(receiver.close()).rejects.toThrow('disk full')
      expect(duplicates.close).toHaveBeenCalledTimes(1)
      expect(receiver.lines.at(-1)?.fields).toMatchObject({ code: 'signature_mismatch', repeats: 2 })
      expect(vi.getTimerCount()).toBe(0)
      expect(await answer(receiver)).toEqual(receiverClosing)
    },
  )

  it('rejects with both errors when the duplicate store rejects too', async () => {
    const [first, second] = [new Error('inbox'), new Error('store')]
    const receiver = testReceiver({
      inbox: inboxWith({ close: failing(first) }),
      duplicates: storeWith({ close: failing(second) }),
    })
    const error: unknown = await receiver.close().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AggregateError)
    expect((error as AggregateError).errors).toEqual([first, second])
  })

  it('does not wait longer than the budget for a duplicate store that hangs', async () => {
    const receiver = testReceiver({ duplicates: storeWith({ close: hang }) })
    const closed = watch(receiver.close({ graceMs: 1000 }))
    await vi.advanceTimersByTimeAsync(999)
    expect(closed.isSettled).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(closed).toEqual({ isSettled: true, value: undefined })
  })
})

describe('the async context of a request', () => {
  const storage = new AsyncLocalStorage<string>()

  /** A receiver that records the async context of each of its reports. */
  function notingReceiver(options: TestOptions = {}) {
    const notes: string[] = []
    const note = (what: string) => (): void => void notes.push(`${what} in ${storage.getStore()}`)
    const receiver = storage.run('creation', () =>
      testReceiver({
        logger: { warn: note('warn'), error: note('error') },
        onError: note('onError'),
        onDelivery: note('onDelivery'),
        onEvent: {
          '*': (event, { signal }) => {
            if (event.event_id === 'event_1') return undefined
            signal.addEventListener('abort', note('abort'))
            return hang()
          },
        },
        ...options,
      }),
    )
    return { notes, receiver }
  }

  it('is that of the late request at the reply deadline, even if another request set the timer', async () => {
    const { notes, receiver } = notingReceiver()
    await storage.run('first request', () => receiver.receive(deliver()))
    for (const request of ['second request', 'third request']) {
      storage.run(request, () => void receiver.receive(deliver(eventOf('job.created', {}, request))))
    }
    await turn()
    notes.length = 0
    await vi.advanceTimersByTimeAsync(9000)
    expect(notes).toEqual([
      'abort in second request',
      'error in second request',
      'onError in second request',
      'onDelivery in second request',
      'abort in third request',
      // The log has the repeat as a count, a minute later.
      'onError in third request',
      'onDelivery in third request',
    ])
  })

  it('is that of the delivery for reports at close, not that of the caller of close', async () => {
    const { notes, receiver } = notingReceiver()
    storage.run('first request', () => void receiver.receive({ ...deliver(), body: hang }))
    storage.run('second request', () => void receiver.receive(deliver(eventOf('job.created', {}, 'event_2'))))
    await turn()
    await storage.run('operator', () => receiver.close({ graceMs: 0 }))
    expect(notes).toEqual(['onDelivery in first request', 'abort in second request', 'onDelivery in second request'])
  })

  it('is that of the request for reports after the reply', async () => {
    const work = deferred()
    const { notes, receiver } = notingReceiver({ onEvent: { '*': () => work.promise } })
    storage.run('request', () => void receiver.receive(deliver()))
    await vi.advanceTimersByTimeAsync(9000)
    notes.length = 0
    storage.run('elsewhere', () => work.reject(new Error('late')))
    await turn()
    expect(notes).toEqual(['error in request', 'onError in request'])
  })
})

describe('report', () => {
  it('logs a text as a warning, and counts its repeats', async () => {
    const onError = vi.fn()
    const receiver = testReceiver({ onError })
    for (let count = 0; count < 20; count += 1) receiver.report('No path is set.')
    await receiver.close()
    expect(receiver.lines.map(({ level, message }) => [level, message])).toEqual([
      ['warn', '[scrapenest webhooks] No path is set.'],
      ['warn', '[scrapenest webhooks] No path is set. (19 more within a minute)'],
    ])
    expect(onError).not.toHaveBeenCalled()
  })

  it('logs an error and passes it to onError, at most once a minute', async () => {
    const onError = vi.fn()
    const receiver = testReceiver({ onError })
    const problem = new ConfigurationError('The middleware is mounted without a path.')
    for (let count = 0; count < 20; count += 1) receiver.report(problem)
    expect(onError).toHaveBeenCalledExactlyOnceWith(problem, { code: 'configuration_invalid' })
    expect(receiver.lines).toMatchObject([{ level: 'error', message: expect.stringContaining(problem.message) }])
    await vi.advanceTimersByTimeAsync(60_000)
    receiver.report(problem)
    expect(onError).toHaveBeenCalledTimes(2)
  })

  it('reports two problems of a configuration in the same minute', () => {
    const onError = vi.fn()
    const receiver = testReceiver({ onError })
    receiver.report(new ConfigurationError('The middleware is mounted without a path.'))
    receiver.report(new ConfigurationError('The reply could not be written.'))
    expect(onError).toHaveBeenCalledTimes(2)
    expect(receiver.lines).toHaveLength(2)
  })

  it('does not pass a refusal to onError', () => {
    const onError = vi.fn()
    const receiver = testReceiver({ onError })
    receiver.report(new WebhookError('body_aborted'))
    expect(receiver.lines).toMatchObject([{ level: 'warn', fields: { code: 'body_aborted' } }])
    expect(onError).not.toHaveBeenCalled()
  })
})

describe('a consumer of an inbox', () => {
  it('runs the handlers of the receiver, those added later too', async () => {
    const inbox = inboxWith()
    const handler = vi.fn()
    const receiver = testReceiver({ inbox })
    await receiver.start()
    receiver.onEvent('job.*', handler)
    await receiver.receive(deliver())
    const consumer = inbox.start.mock.calls[0]?.[0] as InboxConsumer
    const stored = inbox.put.mock.calls[0]?.[0]
    expect(stored).toBeDefined()
    const attempt = { attempt: 2, signal: new AbortController().signal }
    if (stored !== undefined) expect(await consumer.process?.(stored, attempt)).toBe('handled')
    expect(handler).toHaveBeenCalledExactlyOnceWith(
      eventOf('job.created'),
      expect.objectContaining({ attempt: 2, messageId: 'msg_1' }),
    )
  })
})
