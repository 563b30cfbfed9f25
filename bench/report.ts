import { cpus } from 'node:os'
import process from 'node:process'
import { styleText } from 'node:util'

/** `short` gives a first impression. Published figures come from `full`. */
export type Mode = 'short' | 'full'

/** Replaces the amounts of a mode, in the sections that send deliveries over HTTP. */
export interface Overrides {
  readonly rounds?: number | undefined
  readonly deliveries?: number | undefined
}

/** One measured figure: the median of its rounds, and their spread, which shows how far to trust it. */
export interface Figure {
  readonly section: string
  readonly scenario: string
  readonly contender: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  /** Medians of other values measured in the same rounds. */
  readonly also?: readonly { readonly unit: string; readonly median: number }[]
}

/** A bound on a ratio. */
export interface Target {
  readonly what: string
  readonly ratio: number
  readonly atLeast?: number
  readonly atMost?: number
  /** Printed after the ratio. */
  readonly note?: string
  /** The cost of a miss. Only printed if the bound is missed. */
  readonly excess?: string
}

interface Comparison {
  readonly what: string
  /** Our figure. Less is better. */
  readonly ours: number
  readonly theirs: number
  readonly unit: string
}

/** A bound on `theirs / ours`: how many times cheaper ours is. */
export function timesCheaper({ what, ours, theirs, unit, atLeast }: Comparison & { readonly atLeast: number }): Target {
  return { what, ratio: theirs / ours, atLeast, excess: `${(ours - theirs / atLeast).toFixed(2)} ${unit}` }
}

/** A bound on `ours / theirs`: how many times more expensive ours is. */
export function timesDearer({ what, ours, theirs, unit, atMost }: Comparison & { readonly atMost: number }): Target {
  return { what, ratio: ours / theirs, atMost, excess: `${(ours - theirs * atMost).toFixed(2)} ${unit}` }
}

export interface SectionReport {
  readonly figures: readonly Figure[]
  readonly targets: readonly Target[]
}

export interface Section {
  readonly name: string
  run(mode: Mode, overrides: Overrides): Promise<SectionReport>
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
    write(figureLine(figure))
  }
  write('')
  for (const target of targets) write(targetLine(target))
}

function figureLine({ contender, median, min, max, unit, also = [] }: Figure): string {
  const spread = `${readable(min)} – ${readable(max)}`
  const others = also.map((other) => `${readable(other.median).padStart(9)} ${other.unit}`).join('')
  const columns = `${contender.padEnd(34)} ${readable(median).padStart(9)} ${unit.padEnd(8)}`
  return `    ${columns} ${styleText('dim', others === '' ? spread : spread.padEnd(16))}${others}`
}

export function targetLine(target: Target): string {
  return `  ${styleText(isMet(target) ? 'green' : 'red', plainTargetLine(target))}`
}

function plainTargetLine(target: Target): string {
  const { what, ratio, atLeast, atMost, note, excess } = target
  const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  const details = note === undefined ? bound : `${bound}; ${note}`
  const line = `${isMet(target) ? '✓ met' : '✗ missed'}  ${what}: ${ratio.toFixed(2)} (${details})`
  return isMet(target) || excess === undefined ? line : `${line}: costs ${excess} more than the bound allows`
}

export function write(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function readable(value: number): string {
  if (value >= 10_000) return `${Math.round(value).toLocaleString('en')}`
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}
