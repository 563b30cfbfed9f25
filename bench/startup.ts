import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Figure, Section } from './report.ts'
import { type Contender, interleave } from './rounds.ts'

const child = fileURLToPath(new URL('./startup-child.ts', import.meta.url))
const run = promisify(execFile)

/** The built entries, as users import them: sources would be slower, because their types are stripped at each start. */
const entries: readonly (readonly [name: string, specifier: string])[] = [
  ['ours: core', built('core')],
  ['ours: express', built('express')],
  ['ours: koa', built('koa')],
  ['ours: node', built('node')],
  ['svix', 'svix'],
  ['standardwebhooks', 'standardwebhooks'],
  ['@octokit/webhooks', '@octokit/webhooks'],
]

function built(name: string): string {
  return new URL(`../packages/${name}/dist/index.js`, import.meta.url).href
}

/** Time and bytes to import an entry point in a new process. */
export const startupSection: Section = {
  name: 'startup',
  async run(mode) {
    const sizes: Figure[] = []
    const contenders = await Promise.all(
      entries.map(async ([name, specifier]): Promise<Contender> => {
        const { bytes, files } = await measure(specifier)
        const kilobytes = bytes / 1000
        sizes.push({
          section: 'startup',
          scenario: 'source read',
          contender: `${name} (${files} files)`,
          unit: 'kB',
          median: kilobytes,
          min: kilobytes,
          max: kilobytes,
        })
        return { name, round: async () => (await measure(specifier)).milliseconds }
      }),
    )
    const rounds = mode === 'full' ? 15 : 3
    const times = await interleave(contenders, { rounds, section: 'startup', scenario: 'import', unit: 'ms' })
    return { figures: [...times, ...sizes], targets: [] }
  },
}

async function measure(specifier: string): Promise<{ milliseconds: number; bytes: number; files: number }> {
  // Without the workspace's condition, so that packages resolve each other to what is built.
  const { stdout } = await run(process.execPath, [child, specifier], { env: { ...process.env, NODE_OPTIONS: '' } })
  return JSON.parse(stdout)
}
