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
  readonly specifiers: readonly string[]
}

/** The built scripts, as users import them. Sources would be slower, because their types are stripped at each start. */
const packages: readonly Import[] = [
  { name: 'ours: core', specifiers: [built('core/dist/index.js')] },
  { name: 'ours: core/fetch', specifiers: [built('core/dist/fetch.js')] },
  ...['express', 'fastify', 'koa', 'node'].map((name) => ({
    name: `ours: ${name}`,
    specifiers: [built(`${name}/dist/index.js`)],
  })),
  ...['svix', 'standardwebhooks', '@octokit/webhooks'].map((name) => ({ name, specifiers: [name] })),
]

/** An application also imports its framework, and both share the Node modules that they load. */
const frameworks = ['express', 'fastify', 'koa', 'node'].map((name) => {
  const framework = name === 'node' ? 'node:http' : installed(name)
  return {
    adapter: name,
    alone: { name: framework === 'node:http' ? framework : name, specifiers: [framework] },
    together: { name: `${name} with ours`, specifiers: [framework, built(`${name}/dist/index.js`)] },
  }
})

function built(path: string): string {
  return new URL(`../packages/${path}`, import.meta.url).href
}

function installed(name: string): string {
  return pathToFileURL(createRequire(import.meta.url).resolve(name)).href
}

const atMost = 1.2

/** CPU time and bytes of importing an entry point in a new process. */
export const startupSection: Section = {
  name: 'startup',
  async run(mode) {
    await buildPackages()
    const alone = { section: 'startup', scenario: 'import', unit: 'ms CPU' }
    const together = { section: 'startup', scenario: 'import of a framework', unit: 'ms CPU' }
    const pairs = frameworks.flatMap((one) => [one.alone, one.together])
    // One interleaved run, because the bounds compare its figures.
    const times = await interleave([...packages, ...pairs].map(contender), {
      rounds: mode === 'full' ? 25 : 5,
      ...alone,
    })
    const isPair = ({ contender }: Figure): boolean => pairs.some(({ name }) => name === contender)
    const figures = times.map((figure) => (isPair(figure) ? { ...figure, ...together } : figure))
    return { figures: [...figures, ...(await Promise.all(packages.map(size)))], targets: boundsOf(figures) }
  },
}

function boundsOf(figures: readonly Figure[]): readonly Target[] {
  const unit = 'ms'
  const theirs = medianFor(figures, 'import', 'svix')
  const timeOf = (name: string): number => medianFor(figures, 'import of a framework', name)
  const entryPoints = ['core', 'core/fetch'].map((name) =>
    timesDearer({
      what: `import of ${name} ÷ svix`,
      ours: medianFor(figures, 'import', `ours: ${name}`),
      theirs,
      unit,
      atMost,
    }),
  )
  const adapters = frameworks.map(({ adapter, alone, together }) =>
    timesDearer({
      what: `import of ${adapter}, beyond that of ${alone.name} ÷ svix`,
      ours: timeOf(together.name) - timeOf(alone.name),
      theirs,
      unit,
      atMost,
    }),
  )
  return [...entryPoints, ...adapters]
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
