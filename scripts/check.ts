// `pnpm check [step…] [--without-engines]` runs the checks that every change must pass, on every platform. `.ci/run` and the
// workflows call it. Without step names, it runs every step of the first list, in its order.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { pnpmCommand } from './pnpm.ts'

/** Fixed, so that a run does not fail for a change it does not contain. Run the suite by hand to try other seeds. */
const hostileSeed = 424242

const everyChange: Readonly<Record<string, string>> = {
  /** First, because a missing engine fails the tests below. */
  engines: 'engines',
  /** The README's own command: types, unit, conformance, stores, examples, docs, packaging. */
  test: 'test',
  lint: 'lint',
  /** The packed declarations on every supported TypeScript. */
  types: 'test:types',
  demo: 'demo',
  hostile: `test:hostile --seed ${hostileSeed}`,
  /** Versions, packs, publishes to a local registry, installs from it. */
  release: 'test:release',
}

/** Runs only when named: jobs of the workflows. */
const onRequest: Readonly<Record<string, string>> = {
  unit: 'test:unit',
  /** The packed packages on every supported Node. */
  runtimes: 'test:runtimes',
}

const steps: Readonly<Record<string, string>> = { ...everyChange, ...onRequest }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'without-engines': { type: 'boolean', default: false } },
})
const unknown = positionals.filter((name) => !Object.hasOwn(steps, name))
if (unknown.length > 0) {
  throw new Error(`There is no step ${unknown.join(', ')}. The steps are ${Object.keys(steps).join(', ')}.`)
}

const environment = {
  ...process.env,
  CI: 'true',
  ...(values['without-engines'] ? { WITHOUT_ENGINES: 'true' } : {}),
}
const chosen = Object.keys(positionals.length > 0 ? steps : everyChange).filter((name) =>
  positionals.length > 0 ? positionals.includes(name) : name !== 'engines' || !values['without-engines'],
)
for (const name of chosen) {
  const command = pnpmCommand(steps[name] as string)
  console.log(`\n▶ ${name}: ${command}`)
  const startedAtMs = performance.now()
  // npx is a batch file on Windows, which needs a shell. Every command is a constant of this repository.
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit', env: environment })
  const seconds = Math.round((performance.now() - startedAtMs) / 1000)
  if (status !== 0) {
    console.error(`✗ ${name} failed after ${seconds} s. Rerun it with: ${pnpmCommand(`check ${name}`)}`)
    process.exit(1)
  }
  console.log(`✓ ${name}: ${seconds} s`)
}
