import { setTimeout as sleep } from 'node:timers/promises'

/** Waits long enough for something that must not happen. */
export async function pause(): Promise<void> {
  await sleep(30)
}

/** A backoff for checks that wait for the next attempt. */
export const retrySoon = (): number => 5
