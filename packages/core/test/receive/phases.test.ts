import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type ClaimResult,
  type DuplicateStore,
  type InboxEvent,
  memoryDuplicates,
  PermanentError,
  type WebhookReply,
  type WebhookRequest,
} from '../../src/index.ts'
import {
  answer,
  deferred,
  deliver,
  eventOf,
  failing,
  hang,
  secret,
  type TestOptions,
  testReceiver,
} from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const duplicate = { status: 202, body: { status: 'duplicate' } }
const inProgress = { status: 409, body: { error: 'event_in_progress' } }
const handlerTimeout = { status: 503, body: { error: 'handler_timeout' } }

const claimed: ClaimResult = { state: 'claimed', token: 'token' }
const storeWith = (methods: Partial<DuplicateStore>): DuplicateStore => ({
  claim: () => claimed,
  complete: () => {},
  release: () => {},
  ...methods,
})

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** The reply, once there is one. */
function watch(reply: Promise<WebhookReply>): { reply?: WebhookReply } {
  const state: { reply?: WebhookReply } = {}
  void reply.then((given) => {
    state.reply = given
  })
  return state
}

interface HangingPhase {
  readonly phase: string
  readonly options?: TestOptions
  readonly request?: () => WebhookRequest
  readonly reply: { readonly status: number; readonly body: string }
}

const hangingPhases: readonly HangingPhase[] = [
  {
    phase: 'secret',
    options: { secret: hang },
    reply: { status: 503, body: '{"error":"secret_unavailable"}' },
  },
  {
    phase: 'body',
    request: () => ({ ...deliver(), body: hang }),
    reply: { status: 408, body: '{"error":"body_timeout"}' },
  },
  {
    phase: 'store, claiming',
    options: { duplicates: storeWith({ claim: hang }) },
    reply: { status: 503, body: '{"error":"store_unavailable"}' },
  },
  {
    phase: 'store, putting into an inbox',
    options: { inbox: { put: hang, start: async () => {}, close: async () => {} } },
    reply: { status: 503, body: '{"error":"store_unavailable"}' },
  },
  {
    phase: 'handlers',
    options: { onEvent: { '*': hang } },
    reply: { status: 503, body: '{"error":"handler_timeout"}' },
  },
  {
    phase: 'handlers, in a schema',
    options: { schemas: { 'job.created': { '~standard': { version: 1, vendor: 'test', validate: hang } } } },
    reply: { status: 503, body: '{"error":"handler_timeout"}' },
  },
  {
    phase: 'ending, completing a success',
    options: { duplicates: storeWith({ complete: hang }) },
    reply: { status: 202, body: '{"status":"accepted"}' },
  },
  {
    phase: 'ending, completing a drop',
    options: { duplicates: storeWith({ complete: hang }), onEvent: { '*': failing(new PermanentError()) } },
    reply: { status: 202, body: '{"status":"dropped"}' },
  },
  {
    phase: 'ending, releasing after a failure',
    options: { duplicates: storeWith({ release: hang }), onEvent: { '*': failing(new Error('no')) } },
    reply: { status: 500, body: '{"error":"handler_failed"}' },
  },
]

describe('a delivery that hangs', () => {
  it.each(hangingPhases)(
    'in $phase is answered $reply.body at replyTimeoutMs',
    async ({ phase, options, request, reply }) => {
      const state = watch(testReceiver(options).receive((request ?? deliver)()))
      await vi.advanceTimersByTimeAsync(8999)
      expect(state.reply).toBeUndefined()
      await vi.advanceTimersByTimeAsync(1)
      expect(state.reply).toMatchObject(reply)
      const isBodyRead = phase !== 'secret' && phase !== 'body'
      expect(state.reply?.headers['connection']).toBe(isBodyRead ? undefined : 'close')
    },
  )

  it('has one time limit, shared by its secret, its body and its handlers', async () => {
    const handler = vi.fn(hang)
    const after = <Value>(milliseconds: number, value: Value) =>
      new Promise<Value>((resolve) => setTimeout(resolve, milliseconds, value))
    const request = deliver()
    const bytes = await request.body({ maxBytes: 9 })
    const slow = { ...request, body: () => after(4000, bytes) }
    const receiver = testReceiver({ secret: () => after(4000, secret), onEvent: { '*': handler } })
    const reply = answer(receiver, slow)
    await vi.advanceTimersByTimeAsync(8999)
    expect(handler).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await reply).toEqual(handlerTimeout)
  })

  it('is reported once, and its late end is not', async () => {
    const end = deferred<ClaimResult>()
    const [onError, onDelivery] = [vi.fn(), vi.fn()]
    const receiver = testReceiver({ duplicates: storeWith({ claim: () => end.promise }), onError, onDelivery })
    const reply = receiver.receive(deliver())
    await vi.advanceTimersByTimeAsync(9000)
    await reply
    end.reject(new Error('late'))
    await vi.advanceTimersByTimeAsync(0)
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['store_unavailable'])
    expect(onDelivery.mock.calls.map(([{ result }]) => result)).toEqual(['store_unavailable'])
  })

  it('does not delay the others', async () => {
    const receiver = testReceiver({ onEvent: { 'job.created': hang } })
    const hanging = answer(receiver)
    expect(await answer(receiver, deliver(eventOf('job.completed', {}, 'event_2')))).toEqual(accepted)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await hanging).toEqual(handlerTimeout)
  })
})

describe('a store that answers late', () => {
  it('does not start a handler under its claim, which is released for the retry', async () => {
    const late = deferred<ClaimResult>()
    const handler = vi.fn()
    const release = vi.fn()
    const duplicates = storeWith({ claim: () => late.promise, release })
    const reply = answer(testReceiver({ duplicates, onEvent: { '*': handler } }))
    await vi.advanceTimersByTimeAsync(9000)
    expect((await reply).body).toEqual({ error: 'store_unavailable' })
    expect(release).not.toHaveBeenCalled()
    late.resolve({ state: 'claimed', token: 'late' })
    await vi.advanceTimersByTimeAsync(0)
    expect(release.mock.calls).toEqual([['scrapenest/event_1', 'late']])
    expect(handler).not.toHaveBeenCalled()
  })

  it('is reported if it cannot release that claim, which then expires', async () => {
    const late = deferred<ClaimResult>()
    const onError = vi.fn()
    const duplicates = storeWith({ claim: () => late.promise, release: failing(new Error('down')) })
    void testReceiver({ duplicates, onError }).receive(deliver())
    await vi.advanceTimersByTimeAsync(9000)
    late.resolve(claimed)
    await vi.advanceTimersByTimeAsync(0)
    expect(onError.mock.calls.map(([{ code, cause }]) => [code, cause])).toEqual([
      ['store_unavailable', undefined],
      ['store_unavailable', new Error('down')],
    ])
  })

  it('keeps the event that it stored: the retry is a duplicate', async () => {
    const stored = new Set<string>()
    const late = deferred()
    const put = async ({ eventId }: InboxEvent) => {
      await late.promise
      if (stored.has(eventId)) return 'duplicate'
      stored.add(eventId)
      return 'stored'
    }
    const receiver = testReceiver({ inbox: { put, start: async () => {}, close: async () => {} } })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect((await reply).body).toEqual({ error: 'store_unavailable' })
    late.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect([...stored]).toEqual(['event_1'])
    expect(await answer(receiver)).toEqual(duplicate)
  })
})

describe('handlers that are too slow', () => {
  it('keep their claim: retries are 409 until they succeed, then duplicates', async () => {
    const work = deferred()
    const receiver = testReceiver({ onEvent: { '*': () => work.promise } })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual(handlerTimeout)
    expect(await answer(receiver)).toEqual(inProgress)
    work.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(await answer(receiver)).toEqual(duplicate)
  })

  it('are reported when they fail after all, and the retry runs them again', async () => {
    const work = deferred()
    const onError = vi.fn()
    const handler = vi.fn().mockReturnValueOnce(work.promise).mockResolvedValue(undefined)
    const receiver = testReceiver({ onError, onEvent: { '*': handler } })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual(handlerTimeout)
    work.reject(new Error('late'))
    await vi.advanceTimersByTimeAsync(0)
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['handler_timeout', 'handler_failed'])
    expect(await answer(receiver)).toEqual(accepted)
  })

  it('get an aborted signal at replyTimeoutMs, and not before', async () => {
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
    await vi.advanceTimersByTimeAsync(8999)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    await vi.advanceTimersByTimeAsync(1)
    expect(await reply).toEqual(handlerTimeout)
    expect(signals.map(({ aborted, reason }) => [aborted, reason.code])).toEqual([[true, 'handler_timeout']])
  })
})

describe('a duplicate store that is slow to complete', () => {
  it('lets the result of the handlers stand, and does not abort their signal', async () => {
    const completing = deferred()
    const signals: AbortSignal[] = []
    const onError = vi.fn()
    const memory = memoryDuplicates()
    const receiver = testReceiver({
      duplicates: {
        claim: memory.claim,
        complete: (...args) => completing.promise.then(() => memory.complete(...args)),
        release: memory.release,
      },
      onError,
      onEvent: { '*': (_event, { signal }) => void signals.push(signal) },
    })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual(accepted)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    expect(onError).not.toHaveBeenCalled()
    expect(await answer(receiver)).toEqual(inProgress)
    completing.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(await answer(receiver)).toEqual(duplicate)
  })

  it('is reported when it fails after the reply', async () => {
    const completing = deferred()
    const onError = vi.fn()
    const receiver = testReceiver({ duplicates: storeWith({ complete: () => completing.promise }), onError })
    const reply = answer(receiver)
    await vi.advanceTimersByTimeAsync(9000)
    expect(await reply).toEqual(accepted)
    completing.reject(new Error('down'))
    await vi.advanceTimersByTimeAsync(0)
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('down') }),
      expect.objectContaining({ eventId: 'event_1' }),
    )
  })
})
