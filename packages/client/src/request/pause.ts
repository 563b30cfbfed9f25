import { setTimeout as sleep } from 'node:timers/promises'

/** Waits. When aborted it rejects with the signal's own reason, where Node's timer has an error of its own. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
