import { defaultMaxListeners, getEventListeners, setMaxListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withDeadline } from '../../src/request/deadline.ts'
import { failureOf } from '../failure-of.ts'

const late = new Error('late')
const endless = (): Promise<never> => new Promise(() => {})
const never = { timeoutMs: 60_000, signal: undefined, timedOut: () => late }

describe('withDeadline', () => {
  it('resolves with what the work returns', async () => {
    expect(await withDeadline(never, async () => 'done')).toBe('done')
  })

  it('rejects with its error when the time is up, even if the work ignores the signal', async () => {
    expect(await failureOf(withDeadline({ ...never, timeoutMs: 10 }, endless))).toBe(late)
  })

  it('rejects with the caller’s reason when aborted, even if the work ignores the signal', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const failure = failureOf(withDeadline({ ...never, signal: controller.signal }, endless))
    controller.abort(reason)

    expect(await failure).toBe(reason)
    expect(await failureOf(withDeadline({ ...never, signal: controller.signal }, async () => 'late'))).toBe(reason)
  })

  it('aborts the signal of the work', async () => {
    let seen: AbortSignal | undefined
    await failureOf(
      withDeadline({ ...never, timeoutMs: 10 }, (signal) => {
        seen = signal
        return endless()
      }),
    )

    expect(seen?.aborted).toBe(true)
  })

  it('lets any number of concurrent calls share a signal, without a warning', async () => {
    const warnings: Error[] = []
    const record = (warning: Error) => warnings.push(warning)
    process.on('warning', record)
    onTestFinished(() => void process.off('warning', record))
    const controller = new AbortController()
    const { signal } = controller
    // The default of Node 20.
    setMaxListeners(defaultMaxListeners, signal)
    const calls = Array.from({ length: 50 }, () => failureOf(withDeadline({ ...never, signal }, endless)))
    controller.abort()
    await Promise.all(calls)
    await nextTurn()

    expect(warnings).toEqual([])
  })

  it('accepts a signal that is not an EventTarget of Node, such as that of a polyfill', async () => {
    const { signal, abort } = polyfilledController()
    const failure = failureOf(withDeadline({ ...never, signal }, endless))
    abort()

    expect(await failure).toBe(signal.reason)
  })

  it('rejects with what the work throws, and leaves no listener behind', async () => {
    const { signal } = new AbortController()
    const reason = new Error('broken')
    const failure = failureOf(withDeadline({ ...never, signal }, () => Promise.reject(reason)))

    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    expect(await failure).toBe(reason)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

function polyfilledController(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const listeners = new Set<() => void>()
  const signal = {
    reason: new Error('polyfilled'),
    throwIfAborted: () => {},
    addEventListener: (_name: string, listener: () => void) => listeners.add(listener),
    removeEventListener: (_name: string, listener: () => void) => listeners.delete(listener),
  }
  const abort = (): void => {
    for (const listener of listeners) listener()
  }
  return { signal: signal as unknown as AbortSignal, abort }
}
