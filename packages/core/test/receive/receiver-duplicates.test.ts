import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createReceiver,
  type DuplicateStore,
  memoryDuplicates,
  PermanentError,
  type ReceiverOptions,
  RetryLaterError,
  type ScrapeNestEvents,
} from '../../src/index.ts'
import { answer, atStart, deferred, deliver, eventOf, fakeClock, recordingLogger, secret } from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const duplicate = { status: 202, body: { status: 'duplicate' } }
const dropped = { status: 202, body: { status: 'dropped' } }
const failed = { status: 500, body: { error: 'handler_failed' } }
const inProgress = { status: 409, body: { error: 'event_in_progress' } }
const timedOut = { status: 503, body: { error: 'handler_timeout' } }

function receiverWith(options: Partial<ReceiverOptions<ScrapeNestEvents>> = {}) {
  return createReceiver({ secret, logger: recordingLogger(), ...atStart, ...options })
}

describe('duplicates', () => {
  it('of a handled event run no handler', async () => {
    const handler = vi.fn()
    const receiver = receiverWith({ onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual(accepted)
    expect(await answer(receiver)).toEqual(duplicate)
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('are told by the event, not by the message that carries it', async () => {
    const receiver = receiverWith()
    expect(await answer(receiver, deliver(eventOf('job.created'), { id: 'msg_1' }))).toEqual(accepted)
    expect(await answer(receiver, deliver(eventOf('job.created'), { id: 'msg_2' }))).toEqual(duplicate)
    expect(await answer(receiver, deliver(eventOf('job.created', {}, 'event_2'), { id: 'msg_1' }))).toEqual(accepted)
  })

  it('are told by the message where the event has no id', async () => {
    const receiver = receiverWith()
    const bare = { event_type: 'job.created', data: {} }
    expect(await answer(receiver, deliver(bare, { id: 'msg_1' }))).toEqual(accepted)
    expect(await answer(receiver, deliver(bare, { id: 'msg_1' }))).toEqual(duplicate)
    expect(await answer(receiver, deliver(bare, { id: 'msg_2' }))).toEqual(accepted)
  })

  it('are kept apart by name in a shared store', async () => {
    const duplicates = memoryDuplicates()
    expect(await answer(receiverWith({ duplicates, name: 'one' }))).toEqual(accepted)
    expect(await answer(receiverWith({ duplicates, name: 'two' }))).toEqual(accepted)
    expect(await answer(receiverWith({ duplicates, name: 'one' }))).toEqual(duplicate)
  })

  it('get 409 while the first is being handled, and are duplicates afterwards', async () => {
    const work = deferred()
    const receiver = receiverWith({ onEvent: { '*': () => work.promise } })
    const first = answer(receiver)
    await new Promise(setImmediate)
    expect(await answer(receiver)).toEqual(inProgress)
    work.resolve()
    expect(await first).toEqual(accepted)
    expect(await answer(receiver)).toEqual(duplicate)
  })

  it('are handled anew after a failure', async () => {
    const handler = vi.fn().mockRejectedValueOnce(new Error('no')).mockResolvedValue(undefined)
    const receiver = receiverWith({ onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual(failed)
    expect(await answer(receiver)).toEqual(accepted)
    expect(await answer(receiver)).toEqual(duplicate)
    expect(handler).toHaveBeenCalledTimes(2)
  })

  it('run all handlers again after a partial failure, and none after success', async () => {
    const calls: string[] = []
    let attempts = 0
    const receiver = receiverWith({
      onEvent: {
        'job.created': () => {
          calls.push('exact')
          attempts += 1
          if (attempts === 1) throw new Error('no')
        },
        'job.*': () => void calls.push('family'),
        '*': () => void calls.push('all'),
      },
    })
    expect(await answer(receiver)).toEqual(failed)
    expect(calls).toEqual(['exact', 'family', 'all'])
    expect(await answer(receiver)).toEqual(accepted)
    expect(calls).toEqual(['exact', 'family', 'all', 'exact', 'family', 'all'])
    expect(await answer(receiver)).toEqual(duplicate)
    expect(calls).toHaveLength(6)
  })

  it('of a dropped event are duplicates', async () => {
    const handler = vi.fn().mockRejectedValue(new PermanentError('gone'))
    const receiver = receiverWith({ onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual(dropped)
    expect(await answer(receiver)).toEqual(duplicate)
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['a failure wins over a permanent one', [new PermanentError('gone'), new Error('no')], failed],
    [
      'RetryLaterError wins over a permanent one',
      [new RetryLaterError(), new PermanentError('gone')],
      { status: 503, body: { error: 'retry_later' } },
    ],
  ])('come again when %s', async (_given, [first, second], reply) => {
    const handler = vi.fn().mockRejectedValueOnce(first).mockRejectedValueOnce(second).mockResolvedValue(undefined)
    const receiver = receiverWith({ onEvent: { 'job.created': handler, '*': handler } })
    expect(await answer(receiver)).toEqual(reply)
    expect(await answer(receiver)).toEqual(accepted)
    expect(handler).toHaveBeenCalledTimes(4)
  })

  it('are claimed for 15 minutes', async () => {
    const claims: unknown[] = []
    const memory = memoryDuplicates()
    const duplicates: DuplicateStore = {
      claim(key, options) {
        claims.push([key, options])
        return memory.claim(key, options)
      },
      complete: (key, token) => memory.complete(key, token),
      release: (key, token) => memory.release(key, token),
    }
    await answer(receiverWith({ duplicates }))
    expect(claims).toEqual([['scrapenest/event_1', { leaseMs: 900_000 }]])
  })
})

describe('a store of duplicates', () => {
  const claimed = { state: 'claimed', token: 't' } as const

  it.each([
    [
      'throws',
      () => {
        throw new Error('down')
      },
    ],
    ['rejects', () => Promise.reject(new Error('down'))],
  ])('that %s is told to log and onError, and no handler runs', async (_given, claim) => {
    const handler = vi.fn()
    const onError = vi.fn()
    const duplicates = { claim, complete: () => {}, release: () => {} }
    const receiver = receiverWith({ duplicates, onError, onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual({ status: 503, body: { error: 'store_unavailable' } })
    expect(handler).not.toHaveBeenCalled()
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('down') }),
      { code: 'store_unavailable', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' },
    )
  })

  it('that cannot complete does not change the reply, and is told', async () => {
    const onError = vi.fn()
    const duplicates = { claim: () => claimed, complete: () => Promise.reject(new Error('down')), release: () => {} }
    expect(await answer(receiverWith({ duplicates, onError }))).toEqual(accepted)
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable' }),
      expect.anything(),
    )
  })

  it('that cannot release does not change the reply, and is told', async () => {
    const onError = vi.fn()
    const duplicates = {
      claim: () => claimed,
      complete: () => {},
      release: () => {
        throw new Error('down')
      },
    }
    const onEvent = {
      '*': () => {
        throw new Error('no')
      },
    }
    expect(await answer(receiverWith({ duplicates, onError, onEvent }))).toEqual(failed)
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['handler_failed', 'store_unavailable'])
  })
})

describe('a handler that hangs', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('gets 503 at replyTimeoutMs, 409 while its lease runs, and the event is processed again after the lease', async () => {
    const clock = fakeClock()
    const hanging = deferred()
    const handler = vi.fn().mockReturnValueOnce(hanging.promise).mockResolvedValue(undefined)
    const receiver = receiverWith({ replyTimeoutMs: 9000, now: clock.now, onEvent: { '*': handler } })
    const retry = () => deliver(eventOf('job.created'), { sentAtMs: clock.now() })

    let reply: unknown
    void answer(receiver, retry()).then((given) => {
      reply = given
    })
    await vi.advanceTimersByTimeAsync(8999)
    expect(reply).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(reply).toEqual(timedOut)

    expect(await answer(receiver, retry())).toEqual(inProgress)
    clock.advance(15 * 60_000 - 1)
    expect(await answer(receiver, retry())).toEqual(inProgress)
    clock.advance(1)
    expect(await answer(receiver, retry())).toEqual(accepted)
    expect(handler).toHaveBeenCalledTimes(2)
    expect(await answer(receiver, retry())).toEqual(duplicate)
  })

  it('that succeeds after the reply makes the retry a duplicate', async () => {
    const work = deferred()
    const receiver = receiverWith({ onEvent: { '*': () => work.promise } })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual(timedOut)
    work.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(await answer(receiver)).toEqual(duplicate)
  })

  it('that fails after the reply is told, and the retry is handled', async () => {
    const work = deferred()
    const onError = vi.fn()
    const handler = vi.fn().mockReturnValueOnce(work.promise).mockResolvedValue(undefined)
    const receiver = receiverWith({ onError, onEvent: { '*': handler } })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual(timedOut)
    work.reject(new Error('late'))
    await vi.advanceTimersByTimeAsync(0)
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['handler_timeout', 'handler_failed'])
    expect(await answer(receiver)).toEqual(accepted)
  })

  it('that outlived its lease does not end the claim of its successor', async () => {
    const clock = fakeClock()
    const [first, second] = [deferred(), deferred()]
    const handler = vi.fn().mockReturnValueOnce(first.promise).mockReturnValueOnce(second.promise)
    const receiver = receiverWith({ now: clock.now, onEvent: { '*': handler } })
    const retry = () => deliver(eventOf('job.created'), { sentAtMs: clock.now() })
    void receiver.receive(retry())
    await vi.advanceTimersByTimeAsync(9000)
    clock.advance(15 * 60_000)
    const successor = answer(receiver, retry())
    await vi.advanceTimersByTimeAsync(0)
    first.reject(new Error('late'))
    await vi.advanceTimersByTimeAsync(0)
    expect(await answer(receiver, retry())).toEqual(inProgress)
    second.resolve()
    expect(await successor).toEqual(accepted)
  })

  it.each([
    ['before', true],
    ['after', false],
  ])('sees its signal aborted at the timeout, asked for %s', async (_when, isAskedBefore) => {
    let signal: (() => AbortSignal) | undefined
    const receiver = receiverWith({
      onEvent: {
        '*': (_event, delivery) => {
          signal = () => delivery.signal
          if (isAskedBefore) expect(delivery.signal.aborted).toBe(false)
          return new Promise(() => {})
        },
      },
    })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual(timedOut)
    expect(signal?.().aborted).toBe(true)
    expect(signal?.().reason).toMatchObject({ code: 'handler_timeout' })
  })

  it('shares its time with the body and the secret', async () => {
    const handler = vi.fn(() => new Promise(() => {}))
    const after = <Value>(milliseconds: number, value: Value) =>
      new Promise<Value>((resolve) => setTimeout(resolve, milliseconds, value))
    const request = deliver()
    const bytes = await request.body({ maxBytes: 9 })
    const slow = { ...request, body: () => after(4000, bytes) }
    const receiver = receiverWith({ secret: () => after(4000, secret), onEvent: { '*': handler } })
    const reply = answer(receiver, slow)
    await vi.advanceTimersByTimeAsync(8999)
    expect(handler).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await reply).toEqual(timedOut)
  })

  it('keeps no process alive for a delivery that was answered, and one timer for all that follow', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const receiver = receiverWith()
    for (const id of ['event_1', 'event_2', 'event_3']) await answer(receiver, deliver(eventOf('job.created', {}, id)))
    const isKeptAlive = (): boolean[] => timers.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())
    expect(isKeptAlive()).toEqual([false])
    const waiting = answer(receiver, {
      ...deliver(eventOf('job.created', {}, 'event_4')),
      body: () => new Promise(() => {}),
    })
    expect(isKeptAlive()).toEqual([true])
    await vi.advanceTimersByTimeAsync(9000)
    expect((await waiting).status).toBe(408)
  })

  it('answers each of several that hang when its own time is over', async () => {
    const receiver = receiverWith({ onEvent: { '*': () => new Promise(() => {}) } })
    const answered: string[] = []
    const begin = (id: string): void => {
      void answer(receiver, deliver(eventOf('job.created', {}, id))).then(() => answered.push(id))
    }
    begin('event_1')
    await vi.advanceTimersByTimeAsync(4000)
    begin('event_2')
    await vi.advanceTimersByTimeAsync(4999)
    expect(answered).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(answered).toEqual(['event_1'])
    await vi.advanceTimersByTimeAsync(3999)
    expect(answered).toEqual(['event_1'])
    await vi.advanceTimersByTimeAsync(1)
    expect(answered).toEqual(['event_1', 'event_2'])
  })

  it('does not begin while the store of duplicates hangs', async () => {
    const handler = vi.fn()
    const duplicates = { claim: () => new Promise<never>(() => {}), complete: () => {}, release: () => {} }
    const reply = answer(receiverWith({ duplicates, onEvent: { '*': handler } }))
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual({ status: 503, body: { error: 'store_unavailable' } })
    expect(handler).not.toHaveBeenCalled()
  })

  it('gives a claim back that comes after the reply, and runs no handler under it', async () => {
    const handler = vi.fn()
    const claimed = deferred<{ state: 'claimed'; token: string }>()
    const release = vi.fn()
    const duplicates: DuplicateStore = { claim: () => claimed.promise, complete: vi.fn(), release }
    const reply = answer(receiverWith({ duplicates, onEvent: { '*': handler } }))
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual({ status: 503, body: { error: 'store_unavailable' } })
    claimed.resolve({ state: 'claimed', token: 'late' })
    await vi.waitFor(() => expect(release).toHaveBeenCalledWith('scrapenest/event_1', 'late'))
    expect(handler).not.toHaveBeenCalled()
  })
})

describe('close', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('resolves at once when nothing runs, as often as it is called', async () => {
    const close = vi.fn()
    const receiver = receiverWith({
      duplicates: { ...memoryDuplicates(), claim: () => ({ state: 'done' }), complete() {}, release() {}, close },
    })
    const closed = receiver.close()
    expect(receiver.close()).toBe(closed)
    await closed
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('waits for running handlers and refuses new deliveries meanwhile', async () => {
    const work = deferred()
    const order: string[] = []
    const receiver = receiverWith({ onEvent: { '*': () => work.promise } })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(0)
    void receiver.close().then(() => order.push('closed'))
    expect(await answer(receiver, deliver(eventOf('job.created', {}, 'event_2')))).toEqual({
      status: 503,
      body: { error: 'receiver_closing' },
    })
    expect(order).toEqual([])
    work.resolve()
    expect(await reply).toEqual(accepted)
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toEqual(['closed'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('refuses a delivery whose body arrives after it was called', async () => {
    const handler = vi.fn()
    const request = deliver()
    const bytes = await request.body({ maxBytes: 9 })
    const body = deferred<Uint8Array>()
    const receiver = receiverWith({ onEvent: { '*': handler } })
    const reply = answer(receiver, { ...request, body: () => body.promise })
    await receiver.close()
    body.resolve(bytes)
    expect(await reply).toEqual({ status: 503, body: { error: 'receiver_closing' } })
    expect(handler).not.toHaveBeenCalled()
  })

  it.each<[string, { graceMs: number } | undefined, number]>([
    ['10 s', undefined, 10_000],
    ['graceMs', { graceMs: 500 }, 500],
  ])('aborts what is not done after %s, and does not wait for it', async (_given, options, graceMs) => {
    let signal: AbortSignal | undefined
    let isClosed = false
    const receiver = receiverWith({
      replyTimeoutMs: 60_000,
      onEvent: {
        '*': (_event, delivery) => {
          signal = delivery.signal
          return new Promise(() => {})
        },
      },
    })
    void receiver.receive(deliver())
    await vi.advanceTimersByTimeAsync(0)
    void receiver.close(options).then(() => {
      isClosed = true
    })
    await vi.advanceTimersByTimeAsync(graceMs - 1)
    expect([signal?.aborted, isClosed]).toEqual([false, false])
    await vi.advanceTimersByTimeAsync(1)
    expect([signal?.aborted, isClosed]).toEqual([true, true])
    expect(signal?.reason).toMatchObject({ code: 'receiver_closing' })
  })

  it('waits without end for graceMs: Infinity', async () => {
    const work = deferred()
    let isClosed = false
    const receiver = receiverWith({ onEvent: { '*': () => work.promise } })
    void receiver.receive(deliver())
    await vi.advanceTimersByTimeAsync(0)
    void receiver.close({ graceMs: Number.POSITIVE_INFINITY }).then(() => {
      isClosed = true
    })
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(isClosed).toBe(false)
    work.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(isClosed).toBe(true)
  })

  it('keeps the first reason of an abort', async () => {
    let signal: (() => AbortSignal) | undefined
    const receiver = receiverWith({
      onEvent: {
        '*': (_event, delivery) => {
          signal = () => delivery.signal
          return new Promise(() => {})
        },
      },
    })
    void receiver.receive(deliver())
    await vi.advanceTimersByTimeAsync(9000)
    void receiver.close({ graceMs: 1 })
    await vi.advanceTimersByTimeAsync(1)
    expect(signal?.().reason).toMatchObject({ code: 'handler_timeout' })
  })

  it('aborts nothing that is done', async () => {
    const signals: AbortSignal[] = []
    const receiver = receiverWith({ onEvent: { '*': (_event, { signal }) => void signals.push(signal) } })
    await receiver.receive(deliver())
    await receiver.close()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  })
})
