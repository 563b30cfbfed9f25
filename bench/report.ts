import { cpus } from 'node:os'
import process from 'node:process'
import { styleText } from 'node:util'

/** `short` gives an impression; `full` is what figures are published from. */
export type Mode = 'short' | 'full'

/** One measured figure: the median of its rounds, and the spread that says how far to trust it. */
export interface Figure {
  readonly section: string
  readonly scenario: string
  readonly contender: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
}

/** A ratio that was promised. */
export interface Target {
  readonly what: string
  readonly ratio: number
  readonly atLeast?: number
  readonly atMost?: number
}

export interface SectionReport {
  readonly figures: readonly Figure[]
  readonly targets: readonly Target[]
}

export interface Section {
  readonly name: string
  run(mode: Mode): Promise<SectionReport>
}

export function isMet({ ratio, atLeast, atMost }: Target): boolean {
  return (atLeast === undefined || ratio >= atLeast) && (atMost === undefined || ratio <= atMost)
}

export function machineLine(): string {
  const [cpu] = cpus()
  return `${cpu?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${process.platform} ${process.arch}, Node ${process.version}`
}

export function printReport({ figures, targets }: SectionReport): void {
  let scenario = ''
  for (const figure of figures) {
    if (figure.scenario !== scenario) {
      scenario = figure.scenario
      write(`\n  ${styleText('bold', scenario)}`)
    }
    const spread = `${readable(figure.min)} – ${readable(figure.max)}`
    write(
      `    ${figure.contender.padEnd(34)} ${readable(figure.median).padStart(9)} ${figure.unit.padEnd(8)} ${styleText('dim', spread)}`,
    )
  }
  write('')
  for (const target of targets) write(targetLine(target))
}

function targetLine(target: Target): string {
  return `  ${styleText(isMet(target) ? 'green' : 'red', plainTargetLine(target))}`
}

export function plainTargetLine(target: Target): string {
  const bound = target.atLeast === undefined ? `at most ${target.atMost}` : `at least ${target.atLeast}`
  return `${isMet(target) ? '✓' : '✗'} ${target.what}: ${target.ratio.toFixed(2)} (${bound})`
}

export function write(line: string): void {
  process.stdout.write(`${line}\n`)
}

function readable(value: number): string {
  if (value >= 10_000) return `${Math.round(value).toLocaleString('en')}`
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}
