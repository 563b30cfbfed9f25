import { ConfigurationError } from '@scrapenest-webhooks/core'

/**
 * What can go wrong with a delivery. Faults only affect the first attempt, and the retry is correct. A correct receiver
 * therefore loses no event, and an incorrect one is exposed.
 *
 * - `duplicate`: the same message is sent again after it was accepted
 * - `reorder`: the message is held until a newer one has overtaken it
 * - `tamper`: one bit of the body is flipped after signing
 * - `stale`: the signature is ten minutes old
 * - `slow`: the body arrives in pieces over a second
 * - `reserialize`: the JSON is parsed and serialized again after signing, as a proxy would do
 * - `drop`: the connection is closed in the middle of the body
 */
export type Fault = 'duplicate' | 'reorder' | 'tamper' | 'stale' | 'slow' | 'reserialize' | 'drop'

export const faults: readonly Fault[] = ['duplicate', 'reorder', 'tamper', 'stale', 'slow', 'reserialize', 'drop']

/** The probability of each fault, from 0 (never) to 1 (always). */
export type FaultProbabilities = Readonly<Partial<Record<Fault, number>>>

/** Twice the usual tolerance. */
export const staleAgeMs: number = 10 * 60 * 1000

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkFaultProbabilities(probabilities: FaultProbabilities): FaultProbabilities {
  for (const [fault, probability] of Object.entries(probabilities)) {
    if (!faults.includes(fault as Fault)) {
      throw new ConfigurationError(`Unknown fault ${JSON.stringify(fault)}. The faults are ${faults.join(', ')}.`)
    }
    if (!(probability >= 0 && probability <= 1)) {
      throw new ConfigurationError(
        `Expected the probability of ${fault} to be between 0 and 1, got ${String(probability)}.`,
      )
    }
  }
  return probabilities
}

/** Draws each fault independently, with its own probability. */
export function drawFaults(probabilities: FaultProbabilities, random: () => number): ReadonlySet<Fault> {
  return new Set(faults.filter((fault) => random() < (probabilities[fault] ?? 0)))
}

/** The bytes to send instead of the signed ones. */
export function faultyBody(body: Buffer, active: ReadonlySet<Fault>): Buffer {
  if (active.has('reserialize')) return Buffer.from(JSON.stringify(JSON.parse(body.toString('utf8'))))
  if (!active.has('tamper')) return body
  const changed = Buffer.from(body)
  const middle = Math.floor(changed.length / 2)
  changed[middle] = (changed[middle] ?? 0) ^ 1
  return changed
}
