import type { Figure } from './report.ts'

/** One way to do the measured work. A round returns one figure, in the unit of its section. */
export interface Contender {
  readonly name: string
  round(): Promise<number>
}

/**
 * Runs the contenders in turns, starting each round with a different one, so all of them share whatever the machine does in
 * the meantime. The first round warms up and is not counted.
 */
export async function interleave(
  contenders: readonly Contender[],
  options: { readonly rounds: number; readonly section: string; readonly scenario: string; readonly unit: string },
): Promise<Figure[]> {
  const { rounds, section, scenario, unit } = options
  const samples = contenders.map((): number[] => [])
  for (let round = 0; round <= rounds; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const index = (round + turn) % contenders.length
      const sample = await (contenders[index] as Contender).round()
      if (round > 0) samples[index]?.push(sample)
    }
  }
  return contenders.map(({ name }, index) => {
    const sorted = (samples[index] as number[]).sort((a, b) => a - b)
    return {
      section,
      scenario,
      contender: name,
      unit,
      median: medianOf(sorted),
      min: sorted[0] as number,
      max: sorted.at(-1) as number,
    }
  })
}

export function medianOf(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** The median of one contender in one scenario. */
export function medianFor(figures: readonly Figure[], scenario: string, contender: string): number {
  const figure = figures.find((candidate) => candidate.scenario === scenario && candidate.contender === contender)
  if (figure === undefined) throw new Error(`No figure for ${contender} in ${scenario}.`)
  return figure.median
}
