// `pnpm check [step…] [--without-engines]`: what must hold before a change lands, on every platform. `.ci/run`
// and the workflows call it. Without the name of a step, all of them run, in this order.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { pnpmCommand } from './pnpm.ts'

/** A known seed: what a new one finds is for whoever runs the suite by hand. */
const hostileSeed = 424242

const steps: Readonly<Record<string, string>> = {
  /** Missing engines fail the tests below. */
  engines: 'engines',
  /** The README's own command: types, unit, conformance, stores, examples, docs, packaging. */
  test: 'test',
  lint: 'lint',
  /** The packed declarations on every supported TypeScript. */
  types: 'test:types',
  demo: 'demo',
  hostile: `test:hostile --seed ${hostileSeed}`,
}

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
const chosen = Object.keys(steps).filter((name) =>
  positionals.length > 0 ? positionals.includes(name) : name !== 'engines' || !values['without-engines'],
)
for (const name of chosen) {
  const command = pnpmCommand(steps[name] as string)
  console.log(`\n▶ ${name}: ${command}`)
  const startedAtMs = performance.now()
  // Through a shell, because npx is a batch file on Windows. Nothing in a command is from outside this file.
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit', env: environment })
  const seconds = Math.round((performance.now() - startedAtMs) / 1000)
  if (status !== 0) {
    console.error(`✗ ${name} failed after ${seconds} s. Again: ${pnpmCommand(`check ${name}`)}`)
    process.exit(1)
  }
  console.log(`✓ ${name}: ${seconds} s`)
}
