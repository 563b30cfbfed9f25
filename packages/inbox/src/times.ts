import { ConfigurationError } from '@scrapenest-webhooks/core'
import type { Ending } from './event-store.ts'

/** A hundred years, in milliseconds. */
export const longestKeepMs = 3_153_600_000_000

/** The farthest that a `Date` can be from 1970, in milliseconds (ECMA-262, "Time Values and Time Range"). */
const maxDateMs = 8.64e15

/** Whether a value is a time that a `Date` can hold, even with a hundred years added or subtracted. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= maxDateMs - longestKeepMs
}

/**
 * Rejects an ending that contains an invalid time. NULL or an invalid date in a store would silently block an event, and
 * perhaps those behind it, indefinitely.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkEnding(ending: Ending): void {
  checkTime('startedAtMs', ending.startedAtMs)
  checkTime('nowMs', ending.nowMs)
  if (ending.state === 'ready') checkTime('dueAtMs', ending.dueAtMs)
}

function checkTime(name: string, value: number): void {
  if (isTime(value) && Number.isInteger(value)) return
  throw new ConfigurationError(`Expected ${name} to be whole milliseconds since 1970, got ${value}.`)
}
