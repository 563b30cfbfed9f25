import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { buildPackages } from '../scripts/build.ts'
import { type Figure, type Section, type Target, timesDearer } from './report.ts'
import { type Contender, interleave, medianFor } from './rounds.ts'

const child = fileURLToPath(new URL('./startup-child.ts', import.meta.url))
const run = promisify(execFile)

interface Import {
  readonly name: string
  /** Only the last one is measured. */
  readonly specifiers: readonly string[]
}

/** The built scripts, as users import them: sources would be slower, because their types are stripped at each start. */
const packages: readonly Import[] = [
  { name: 'ours: core', specifiers: [built('core/dist/index.js')] },
  { name: 'ours: core/fetch', specifiers: [built('core/dist/fetch.js')] },
  ...['svix', 'standardwebhooks', '@octokit/webhooks'].map((name) => ({ name, specifiers: [name] })),
]

/** After their frameworks, which an application imports anyway: the two share what they load of Node. */
const adapters: readonly Import[] = ['express', 'fastify', 'koa', 'node'].map((name) => ({
  name: `ours: ${name}`,
  specifiers: [name === 'node' ? 'node:http' : installed(name), built(`${name}/dist/index.js`)],
}))

function built(path: string): string {
  return new URL(`../packages/${path}`, import.meta.url).href
}

function installed(name: string): string {
  return pathToFileURL(createRequire(import.meta.url).resolve(name)).href
}

const atMost = 1.2

/** CPU time and bytes to import an entry point in a new process. */
export const startupSection: Section = {
  name: 'startup',
  async run(mode) {
    await buildPackages()
    // One interleaved run, because the bounds compare its figures.
    const times = await interleave([...packages, ...adapters].map(contender), {
      rounds: mode === 'full' ? 25 : 7,
      section: 'startup',
      scenario: 'import',
      unit: 'ms CPU',
    })
    const isAdapter = ({ contender }: Figure): boolean => adapters.some(({ name }) => name === contender)
    const figures = times.map((figure) =>
      isAdapter(figure) ? { ...figure, scenario: 'import after the framework' } : figure,
    )
    return { figures: [...figures, ...(await Promise.all(packages.map(size)))], targets: times.flatMap(boundOf) }
  },
}

function boundOf({ contender, median: ours }: Figure, _: number, times: readonly Figure[]): readonly Target[] {
  const theirs = medianFor(times, 'import', 'svix')
  const [, name] = /^ours: (.+)/.exec(contender) ?? []
  return name === undefined ? [] : [timesDearer({ what: `import of ${name} ÷ svix`, ours, theirs, unit: 'ms', atMost })]
}

function contender({ name, specifiers }: Import): Contender {
  // CPU time, because on a busy machine, elapsed time would include waiting for a core.
  return { name, round: async () => await runChild(specifiers) }
}

async function size({ name, specifiers }: Import): Promise<Figure> {
  const { bytes, files } = await runChild<{ bytes: number; files: number }>(['--count', ...specifiers])
  const kilobytes = bytes / 1000
  const figure = { section: 'startup', scenario: 'source read', contender: `${name} (${files} files)`, unit: 'kB' }
  return { ...figure, median: kilobytes, min: kilobytes, max: kilobytes }
}

async function runChild<Result = number>(childArguments: readonly string[]): Promise<Result> {
  // Without the workspace's condition, so packages resolve each other to their built scripts.
  const { stdout } = await run(process.execPath, [child, ...childArguments], {
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  return JSON.parse(stdout)
}
