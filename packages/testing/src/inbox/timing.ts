import { setTimeout as sleep } from 'node:timers/promises'

/** Gives something that must not happen the time to happen. */
export async function pause(): Promise<void> {
  await sleep(30)
}

/** A backoff for checks that wait for the next attempt. */
export const retrySoon = (): number => 5
