import { setTimeout as sleep } from 'node:timers/promises'

/** Waits. If aborted, rejects with the signal's reason, unlike Node's timer, which rejects with its own AbortError. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
