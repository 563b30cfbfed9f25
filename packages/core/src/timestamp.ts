import { WebhookError } from './errors.ts'

/** What ScrapeNest's samples allow, in both directions; exactly 300 s still passes (docs, "Verifying signatures"). */
export const defaultToleranceSeconds = 300

// At most 15 digits: exact as a JavaScript number. `parseInt` would accept "123abc", "+123" and the "1, 2" of a
// header sent twice, and then check another text than the one that is logged or remembered.
const grammar = /^(0|[1-9]\d{0,14})$/

/**
 * Reads a timestamp header, and refuses one that is too far from this server's clock in either direction.
 *
 * @throws {WebhookError} `timestamp_invalid`, `timestamp_outside_tolerance`
 */
export function parseTimestamp(value: unknown, nowMs: number, toleranceSeconds: number): number {
  if (typeof value !== 'string' || !grammar.test(value))
    throw new WebhookError('timestamp_invalid', 'not Unix seconds.')
  const timestamp = Number(value)
  const ageSeconds = Math.floor(nowMs / 1000) - timestamp
  // Written so that a clock gone wrong (NaN) refuses instead of accepting.
  if (Math.abs(ageSeconds) <= toleranceSeconds) return timestamp
  const distance = `${Math.abs(ageSeconds)} s ${ageSeconds < 0 ? 'ahead of' : 'behind'} this server's clock`
  const hint = ageSeconds < -1e11 ? ' (milliseconds?)' : ''
  throw new WebhookError('timestamp_outside_tolerance', `${distance}, ${toleranceSeconds} s are allowed${hint}.`)
}
