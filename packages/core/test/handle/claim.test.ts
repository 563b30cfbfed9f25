import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type DuplicateStore,
  memoryDuplicates,
  PermanentError,
  RetryLaterError,
  WebhookError,
} from '../../src/index.ts'
import { answer, deferred, deliver, eventOf, failing, fakeClock, hang, settle, testReceiver } from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const duplicate = { status: 202, body: { status: 'duplicate' } }
const dropped = { status: 202, body: { status: 'dropped' } }
const failed = { status: 500, body: { error: 'handler_failed' } }
const retryLater = { status: 503, body: { error: 'retry_later' } }
const inProgress = { status: 409, body: { error: 'event_in_progress' } }
const storeUnavailable = { status: 503, body: { error: 'store_unavailable' } }

describe('a duplicate', () => {
  it('of a handled event runs no handler', async () => {
    const handler = vi.fn()
    const receiver = testReceiver({ onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual(accepted)
    expect(await answer(receiver)).toEqual(duplicate)
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('is recognized by the event id, not by the message id', async () => {
    const receiver = testReceiver()
    expect(await answer(receiver, deliver(eventOf('job.created'), { id: 'msg_1' }))).toEqual(accepted)
    expect(await answer(receiver, deliver(eventOf('job.created'), { id: 'msg_2' }))).toEqual(duplicate)
    expect(await answer(receiver, deliver(eventOf('job.created', {}, 'event_2'), { id: 'msg_1' }))).toEqual(accepted)
  })

  it('is recognized by the message id if the event has no id', async () => {
    const receiver = testReceiver()
    const bare = { event_type: 'job.created', data: {} }
    expect(await answer(receiver, deliver(bare, { id: 'msg_1' }))).toEqual(accepted)
    expect(await answer(receiver, deliver(bare, { id: 'msg_1' }))).toEqual(duplicate)
    expect(await answer(receiver, deliver(bare, { id: 'msg_2' }))).toEqual(accepted)
  })

  it('is not a duplicate under another name in a shared store', async () => {
    const duplicates = memoryDuplicates()
    expect(await answer(testReceiver({ duplicates, name: 'one' }))).toEqual(accepted)
    expect(await answer(testReceiver({ duplicates, name: 'two' }))).toEqual(accepted)
    expect(await answer(testReceiver({ duplicates, name: 'one' }))).toEqual(duplicate)
  })

  it('gets 409 while the event is being handled', async () => {
    const work = deferred()
    const handler = vi.fn(() => work.promise)
    const receiver = testReceiver({ onEvent: { '*': handler } })
    const first = answer(receiver)
    await settle()
    expect(await answer(receiver)).toEqual(inProgress)
    work.resolve()
    expect(await first).toEqual(accepted)
    expect(await answer(receiver)).toEqual(duplicate)
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('of a dropped event is a duplicate too', async () => {
    const handler = vi.fn().mockRejectedValue(new PermanentError('gone'))
    const receiver = testReceiver({ onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual(dropped)
    expect(await answer(receiver)).toEqual(duplicate)
    expect(handler).toHaveBeenCalledTimes(1)
  })
})

describe('a retry', () => {
  it('runs the handlers again after a failure', async () => {
    const handler = vi.fn().mockRejectedValueOnce(new Error('no')).mockResolvedValue(undefined)
    const receiver = testReceiver({ onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual(failed)
    expect(await answer(receiver)).toEqual(accepted)
    expect(await answer(receiver)).toEqual(duplicate)
    expect(handler).toHaveBeenCalledTimes(2)
  })

  it('runs all handlers again after a partial failure, and none after success', async () => {
    const calls: string[] = []
    const exact = vi
      .fn(() => void calls.push('exact'))
      .mockImplementationOnce(() => {
        calls.push('exact')
        throw new Error('no')
      })
    const receiver = testReceiver({
      onEvent: { 'job.created': exact, 'job.*': () => void calls.push('family'), '*': () => void calls.push('all') },
    })
    expect(await answer(receiver)).toEqual(failed)
    expect(calls).toEqual(['exact', 'family', 'all'])
    expect(await answer(receiver)).toEqual(accepted)
    expect(calls).toEqual(['exact', 'family', 'all', 'exact', 'family', 'all'])
    expect(await answer(receiver)).toEqual(duplicate)
    expect(calls).toHaveLength(6)
  })

  it.each([
    ['an error and a PermanentError', [new PermanentError('gone'), new Error('no')], failed],
    ['a RetryLaterError and a PermanentError', [new RetryLaterError(), new PermanentError('gone')], retryLater],
  ])('runs all handlers again after %s', async (_given, [first, second], reply) => {
    const handler = vi.fn().mockRejectedValueOnce(first).mockRejectedValueOnce(second).mockResolvedValue(undefined)
    const receiver = testReceiver({ onEvent: { 'job.created': handler, '*': handler } })
    expect(await answer(receiver)).toEqual(reply)
    expect(await answer(receiver)).toEqual(accepted)
    expect(handler).toHaveBeenCalledTimes(4)
  })
})

describe('a claim', () => {
  it('lasts 15 minutes, under the name of the receiver and the event id', async () => {
    const { complete, release, ...memory } = memoryDuplicates()
    const claim = vi.fn(memory.claim)
    await answer(testReceiver({ duplicates: { claim, complete, release } }))
    expect(claim.mock.calls).toEqual([['scrapenest/event_1', { expiresInMs: 900_000 }]])
  })

  it.each<[string, () => unknown, string]>([
    ['completed after success', () => {}, 'complete'],
    ['completed after a drop', failing(new PermanentError('gone')), 'complete'],
    ['released after a failure', failing(new Error('no')), 'release'],
    ['released after a deferral', failing(new RetryLaterError()), 'release'],
  ])('is %s, with its own token', async (_given, handler, end) => {
    const calls: unknown[] = []
    const duplicates: DuplicateStore = {
      claim: () => ({ state: 'claimed', token: 'token' }),
      complete: (...args) => void calls.push(['complete', ...args]),
      release: (...args) => void calls.push(['release', ...args]),
    }
    await testReceiver({ duplicates, onEvent: { '*': handler } }).receive(deliver())
    expect(calls).toEqual([[end, 'scrapenest/event_1', 'token']])
  })
})

describe('a claim that expires', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('does not swallow the event of a handler that never ends', async () => {
    const clock = fakeClock()
    const handler = vi.fn().mockImplementationOnce(hang)
    const receiver = testReceiver({ now: clock.now, onEvent: { '*': handler } })
    const retry = () => deliver(eventOf('job.created'), { sentAtMs: clock.now() })
    const first = answer(receiver, retry())
    await vi.advanceTimersByTimeAsync(9000)
    expect((await first).body).toEqual({ error: 'handler_timeout' })
    clock.advance(15 * 60_000 - 1)
    expect(await answer(receiver, retry())).toEqual(inProgress)
    clock.advance(1)
    expect(await answer(receiver, retry())).toEqual(accepted)
    expect(handler).toHaveBeenCalledTimes(2)
    expect(await answer(receiver, retry())).toEqual(duplicate)
  })

  it('does not let its slow handler end the claim of a successor', async () => {
    const clock = fakeClock()
    const [first, second] = [deferred(), deferred()]
    const handler = vi.fn().mockReturnValueOnce(first.promise).mockReturnValueOnce(second.promise)
    const receiver = testReceiver({ now: clock.now, onEvent: { '*': handler } })
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
})

describe('a duplicate store', () => {
  const claimed = () => ({ state: 'claimed', token: 't' }) as const
  const down = new Error('down')

  it.each<[string, DuplicateStore['claim']]>([
    ['throws', failing(down)],
    ['rejects', () => Promise.reject(down)],
  ])('that %s is unavailable: it is reported, and no handler runs', async (_given, claim) => {
    const [handler, onError] = [vi.fn(), vi.fn()]
    const duplicates = { claim, complete: () => {}, release: () => {} }
    const receiver = testReceiver({ duplicates, onError, onEvent: { '*': handler } })
    expect(await answer(receiver)).toEqual(storeUnavailable)
    expect(handler).not.toHaveBeenCalled()
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: down }),
      { code: 'store_unavailable', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' },
    )
  })

  it('is reported with its own error if that already has the code', async () => {
    const onError = vi.fn()
    const error = new WebhookError('store_unavailable', 'The connection is lost.')
    await testReceiver({ duplicates: { claim: failing(error), complete() {}, release() {} }, onError }).receive(
      deliver(),
    )
    expect(onError.mock.calls[0]?.[0]).toBe(error)
  })

  it.each([undefined, null, true, 'claimed', 7, {}, { state: 'stored' }, []])(
    'that returns %o is unavailable, and the event is not acknowledged',
    async (result) => {
      const handler = vi.fn()
      const duplicates = { claim: () => result, complete() {}, release() {} } as unknown as DuplicateStore
      expect(await answer(testReceiver({ duplicates, onEvent: { '*': handler } }))).toEqual(storeUnavailable)
      expect(handler).not.toHaveBeenCalled()
    },
  )

  it.each<[string, () => unknown]>([
    ['throws', () => new Proxy({}, { get: failing(new Error('no')) })],
    [
      'is revoked',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return proxy
      },
    ],
  ])('that returns a proxy that %s is unavailable', async (_given, claim) => {
    const duplicates = { claim, complete() {}, release() {} } as unknown as DuplicateStore
    expect(await answer(testReceiver({ duplicates }))).toEqual(storeUnavailable)
  })

  it('that cannot complete does not change the reply, and is reported', async () => {
    const onError = vi.fn()
    const duplicates = { claim: claimed, complete: () => Promise.reject(down), release: () => {} }
    expect(await answer(testReceiver({ duplicates, onError }))).toEqual(accepted)
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: down }),
      expect.anything(),
    )
  })

  it('that cannot release does not change the reply, and is reported', async () => {
    const onError = vi.fn()
    const duplicates = { claim: claimed, complete: () => {}, release: failing(down) }
    const onEvent = { '*': failing(new Error('no')) }
    expect(await answer(testReceiver({ duplicates, onError, onEvent }))).toEqual(failed)
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['handler_failed', 'store_unavailable'])
  })
})
