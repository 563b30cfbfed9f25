/** Compiles the packed declarations as users do, and prints a matrix of TypeScript version × module setting. */
import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { packAll, temporaryFolder } from '../packaging/consumer.ts'
import { Build, type Compiler, compileAll, compilers, type Diagnostic, type Outcome } from './compile.ts'
import {
  application,
  type Consumer,
  type Consumers,
  installConsumers,
  type ModuleSetting,
  moduleSettings,
} from './consumers.ts'

interface Cell {
  readonly compiler: Compiler
  readonly setting: ModuleSetting
}

const settings = Object.keys(moduleSettings) as readonly ModuleSetting[]

/** Before 5.8, a CommonJS source cannot import any ES module under `nodenext` (TS1479). */
function isPossible({ compiler, setting }: Cell): boolean {
  return !(compiler.version.startsWith('5.7.') && setting === 'nodenext, from CommonJS')
}

const folder = await temporaryFolder()
try {
  for (const name of ['tarballs', 'consumers']) await mkdir(join(folder, name))
  const packed = await packAll(join(folder, 'tarballs'))
  process.exitCode = await printMatrix(await installConsumers(join(folder, 'consumers'), packed))
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function printMatrix(consumers: Consumers): Promise<number> {
  const cells = settings.flatMap((setting) => compilers.map((compiler) => ({ compiler, setting })))
  const outcomes = await compileCells(cells.filter(isPossible), consumers)
  const rows = compilers.map((compiler) => [
    compiler.version,
    ...settings.map((setting) => {
      const outcome = outcomes.find(({ cell }) => cell.compiler === compiler && cell.setting === setting)
      return outcome === undefined ? 'needs 5.8' : describe(outcome)
    }),
  ])
  console.log(table([['TypeScript', ...settings], ...rows]))
  const failures = outcomes.flatMap(({ cell, failures }) => failures.map((failure) => ({ cell, failure })))
  const independent = outcomes.flatMap((outcome) => outcome.independent)
  console.log(
    `\nEach cell: projects that compile, or diagnostics. ${failures.length} failures. ${independent.length} diagnostics ` +
      `in third-party declarations also occur without ours: ${packagesOf(independent).join(', ') || 'none'}.`,
  )
  const placesOf = new Map<string, string[]>()
  for (const { cell, failure } of failures) {
    const text = `${failure.location ?? ''} ${failure.text}`
    placesOf.set(text, [...(placesOf.get(text) ?? []), `${cell.compiler.version} ${cell.setting}`])
  }
  for (const [text, places] of placesOf) console.log(`✗ ${text}\n  in ${places.join(' · ')}`)
  return failures.length === 0 ? 0 : 1
}

type CellOutcome = Outcome & { readonly cell: Cell; readonly resolution: string | undefined }

async function compileCells(cells: readonly Cell[], consumers: Consumers): Promise<readonly CellOutcome[]> {
  const outcomes: CellOutcome[] = []
  const waiting = [...cells]
  const traced = consumers.all.find(({ name }) => name === application) as Consumer
  async function work(): Promise<void> {
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      const { compiler, setting } = cell
      const resolution = await new Build(compiler, setting, consumers.folder).impliedResolution(traced)
      outcomes.push({ ...(await compileAll(compiler, setting, consumers)), cell, resolution })
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return outcomes
}

function describe({ projects, failures, resolution }: CellOutcome): string {
  const result = failures.length === 0 ? `✓ ${projects}` : `✗ ${failures.length}`
  return resolution === undefined ? result : `${result} (${resolution.toLowerCase()})`
}

function packagesOf(diagnostics: readonly Diagnostic[]): readonly string[] {
  const names = diagnostics.map(({ location = '' }) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(location)?.[1] ?? '')
  return [...new Set(names)].sort()
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2)).join('')).join('\n')
}
