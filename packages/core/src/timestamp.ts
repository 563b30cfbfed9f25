import { checkWholeNumber } from './check-options.ts'
import { TimestampInvalidError, TimestampOutsideToleranceError } from './errors.ts'

/** What ScrapeNest's samples allow, in both directions; exactly 300 s still passes (docs, "Verifying signatures"). */
export const defaultToleranceSeconds = 300

// At most 15 digits: exact as a JavaScript number. `parseInt` would accept "123abc", "+123" and the "1, 2" of a
// header sent twice, and then check another text than the one that is logged or remembered.
const grammar = /^(?:0|[1-9][0-9]{0,14})$/

/**
 * Reads a timestamp header.
 *
 * @throws {TimestampInvalidError} `timestamp_invalid`
 */
export function parseTimestamp(value: unknown, header: string): number {
  if (typeof value !== 'string' || !grammar.test(value)) throw new TimestampInvalidError(header)
  return Number(value)
}

/**
 * Refuses a timestamp that is too far from this server's clock in either direction.
 *
 * @throws {TimestampOutsideToleranceError} `timestamp_outside_tolerance`
 */
export function checkTolerance(timestamp: number, nowMs: number, toleranceSeconds: number): void {
  const ageSeconds = Math.floor(nowMs / 1000) - timestamp
  // Written so that a clock gone wrong (NaN) refuses instead of accepting.
  if (!(Math.abs(ageSeconds) <= toleranceSeconds))
    throw new TimestampOutsideToleranceError(ageSeconds, toleranceSeconds)
}

/** @throws {ConfigurationError} `configuration_invalid`: NaN or Infinity would silently switch the check off. */
export function checkToleranceOption(toleranceSeconds: number): number {
  return checkWholeNumber('toleranceSeconds', toleranceSeconds, { min: 1 })
}
