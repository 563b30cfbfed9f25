import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pnpmCommand } from '../../scripts/pnpm.ts'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

const names = (await readdir(join(repository, '.github/workflows'))).sort()
const workflows = new Map(
  await Promise.all(names.map(async (name) => [name, await readPage(`.github/workflows/${name}`)] as const)),
)
const scripts: Record<string, string> = JSON.parse(await readPage('package.json')).scripts

/** The jobs of a workflow, by their names: the text from one name to the next. */
function jobsOf(workflow: string): ReadonlyMap<string, string> {
  const [, jobs = ''] = workflow.split(/^jobs:\n/m)
  const parts = jobs.split(/^ {2}([\w-]+):\n/m).slice(1)
  return new Map(parts.flatMap((name, index) => (index % 2 === 0 ? [[name, parts[index + 1] as string] as const] : [])))
}

const releaseJobs = jobsOf(workflows.get('release.yml') ?? '')
const publishing = [...workflows.values()].flatMap((workflow) =>
  [...jobsOf(workflow)].filter(([, job]) => job.includes('publish-packages')),
)

it('there is one workflow for changes, and one for all that is published, because npm trusts one', () => {
  expect(names).toEqual(['ci.yml', 'release.yml'])
})

describe.each([...workflows])('%s', (_name, workflow) => {
  it('pins every action to a commit, with the version it is', () => {
    const actions = [...workflow.matchAll(/uses: (.+)$/gm)].map(([, action]) => action)
    expect(actions.length).toBeGreaterThan(1)
    for (const action of actions) expect(action).toMatch(/^[\w-]+(?:\/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  it('runs scripts of this repository, on the pinned Node', () => {
    const commands = [...workflow.matchAll(/(?:run|script): (npx .+)$/gm)].map(([, command]) => command as string)
    expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) {
      expect(command.startsWith(pnpmCommand(''))).toBe(true)
      expect(['install', ...Object.keys(scripts)]).toContain(command.slice(pnpmCommand('').length).split(' ')[0])
    }
    for (const [, version] of workflow.matchAll(/node-version: (.+)$/gm)) expect(version).toBe('20.19.0')
  })

  it('checks every step by a name that scripts/check.ts has', async () => {
    const check = await readPage('scripts/check.ts')
    for (const [, steps = ''] of workflow.matchAll(/ check (.+)$/gm)) {
      for (const step of steps.split(' ').filter((one) => !one.startsWith('--'))) expect(check).toMatch(`\n  ${step}: `)
    }
  })

  it('installs Redis and PostgreSQL or says that there are none: on CI, a missing one fails the tests', () => {
    for (const [, steps = ''] of workflow.matchAll(/ check (.+)$/gm)) {
      if (!/\b(?:test|unit)\b/.test(steps)) continue
      expect(steps).toMatch(/^engines\b|--without-engines$/)
    }
  })

  it('gives no job a permission that its steps do not need', () => {
    expect(workflow).toMatch(/^permissions:(?: \{\}|\n {2}contents: read)\n/m)
    for (const [name, job] of jobsOf(workflow)) {
      expect([name, job.includes('id-token: write')]).toEqual([name, job.includes('publish-packages')])
      if (job.includes('actions/checkout')) expect(job).toContain('persist-credentials: false')
    }
  })
})

describe('the jobs that publish', () => {
  it.each(publishing)('%s without a cache, a token or a right to write', (_name, job) => {
    expect(job).toContain('package-manager-cache: false')
    expect(job).not.toMatch(/actions\/cache|\scache:|NPM_TOKEN|NODE_AUTH_TOKEN|contents: write|secrets\./)
    expect(job).toContain('environment: npm')
  })

  it('are those of releases and canaries, and wait for the tests', () => {
    expect(publishing.map(([name]) => name)).toEqual(['publish', 'canary'])
    for (const [, job] of publishing) expect(job).toContain('needs: [select, check]')
    expect(releaseJobs.get('check')).toContain(`${pnpmCommand('check')}\n`)
  })

  it.each(publishing)(
    '%s runs no test, because tests run packages that must not have the right to publish',
    (_name, job) => {
      const commands = [...job.matchAll(/run: npx -y pnpm@[\d.]+ (\S+)/g)].map(([, command]) => command)
      expect(commands.filter((command) => !['install', 'changeset'].includes(command as string))).toEqual([
        'publish-packages',
      ])
    },
  )

  it('wait in no group with other jobs, because GitHub cancels a waiting job when another one joins the group', () => {
    expect(workflows.get('release.yml')).not.toMatch(/^concurrency/m)
    const groups = [...releaseJobs.values()].map((job) => /^ {4}concurrency: (.+)$/m.exec(job)?.[1])
    const named = groups.filter((group) => group !== undefined)
    expect(named).toHaveLength(3)
    expect(new Set(named).size).toBe(3)
    for (const [, job] of publishing) expect(job).toMatch(/^ {4}concurrency: /m)
  })
})
