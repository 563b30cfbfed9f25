import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
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

  it('rejects with what the work throws, and leaves no listener behind', async () => {
    const { signal } = new AbortController()
    const reason = new Error('broken')
    const failure = failureOf(withDeadline({ ...never, signal }, () => Promise.reject(reason)))

    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    expect(await failure).toBe(reason)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})
