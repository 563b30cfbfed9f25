import { ConfigurationError } from '@scrapenest-webhooks/core'

/**
 * What can go wrong on the way of one delivery. A fault meets the first attempt only: the retry is as it should be, so
 * that nothing is lost by a fault and everything is by a receiver that mishandles it.
 *
 * - `duplicate`: the same message is sent a second time, after it was accepted
 * - `reorder`: it waits until another message has overtaken it
 * - `tamper`: one bit of the body changes after signing
 * - `stale`: it was signed ten minutes ago
 * - `slow`: the body comes in pieces
 * - `reserialize`: the JSON is parsed and written anew after signing, as a proxy would do
 * - `drop`: the connection ends in the middle of the body
 */
export type Fault = 'duplicate' | 'reorder' | 'tamper' | 'stale' | 'slow' | 'reserialize' | 'drop'

export const faults: readonly Fault[] = ['duplicate', 'reorder', 'tamper', 'stale', 'slow', 'reserialize', 'drop']

/** How often each fault happens, from 0 (never) to 1 (always). */
export type FaultShares = Readonly<Partial<Record<Fault, number>>>

export const staleAgeMs: number = 10 * 60 * 1000

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkFaultShares(shares: FaultShares): FaultShares {
  for (const [fault, share] of Object.entries(shares)) {
    if (!faults.includes(fault as Fault)) {
      throw new ConfigurationError(`Unknown fault ${JSON.stringify(fault)}. The faults are ${faults.join(', ')}.`)
    }
    if (!(share >= 0 && share <= 1)) {
      throw new ConfigurationError(`Expected the share of ${fault} between 0 and 1, got ${String(share)}.`)
    }
  }
  return shares
}

export function drawFaults(shares: FaultShares, random: () => number): Set<Fault> {
  return new Set(faults.filter((fault) => random() < (shares[fault] ?? 0)))
}

/** What is sent in place of the bytes that were signed. */
export function faultyBody(body: Buffer, active: ReadonlySet<Fault>): Buffer {
  if (active.has('reserialize')) return Buffer.from(JSON.stringify(JSON.parse(body.toString('utf8'))))
  if (!active.has('tamper')) return body
  const changed = Buffer.from(body)
  const middle = Math.floor(changed.length / 2)
  changed[middle] = (changed[middle] ?? 0) ^ 1
  return changed
}
