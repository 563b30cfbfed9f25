// Runs the tests of the inbox on pg-boss with the oldest supported version and the newest, and checks that earlier versions are
// rejected:
// node --conditions=@scrapenest-webhooks/source test/engines/pg-boss-versions.ts
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runVisibly } from '../../scripts/start.ts'
import { hasProgram, provideCommand } from './installed-engines.ts'

const root = join(import.meta.dirname, '../..')
if (!hasProgram('postgres')) throw new Error(`PostgreSQL is not installed. ${provideCommand} installs it.`)

const { peerDependencies } = readJson(join(root, 'packages/inbox-pg-boss/package.json')) as {
  peerDependencies: { 'pg-boss': string }
}
const range = peerDependencies['pg-boss']
const folder = mkdtempSync(join(tmpdir(), 'scrapenest-pg-boss-'))

try {
  // The last version that lacks an export the inbox imports, the last that cannot end a single attempt, and the one that npm
  // installs on Node 20.
  for (const version of ['12.17.0', '12.34.0', '10.4.2']) expectRefusal(version)
  for (const version of [range.replace('^', ''), range]) test(version)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Creates an inbox in a separate program with this pg-boss installed. */
function expectRefusal(version: string): void {
  const installed = install(version)
  const { main } = readJson(join(installed, 'package.json')) as { main: string }
  const hooks = join(folder, 'hooks.mjs')
  writeFileSync(
    hooks,
    `import { registerHooks } from 'node:module'
     import { pathToFileURL } from 'node:url'
     const url = pathToFileURL(${JSON.stringify(join(installed, main))}).href
     registerHooks({ resolve: (name, context, next) => name === 'pg-boss' ? { url, shortCircuit: true } : next(name, context) })`,
  )
  const program = `
    const { pgBossInbox } = await import('@scrapenest-webhooks/inbox-pg-boss')
    try { pgBossInbox({ connectionString: 'postgres://localhost/db' }); console.log('created') }
    catch ({ code, message }) { console.log(code, message) }`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=@scrapenest-webhooks/source', '--import', hooks, '--input-type=module', '--eval', program],
    { cwd: import.meta.dirname, encoding: 'utf8' },
  )
  if (!stdout.startsWith('configuration_invalid Expected pg-boss 12.35.0')) {
    throw new Error(`pg-boss ${version} is not rejected: ${stdout}${stderr}`)
  }
  console.log(`pg-boss ${version}: rejected`)
}

function test(version: string): void {
  const installed = install(version)
  console.log(`\npg-boss ${(readJson(join(installed, 'package.json')) as { version: string }).version}`)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const config = join(import.meta.dirname, 'pg-boss-version.config.ts')
  const files = [
    'packages/inbox-pg-boss/test',
    'test/engines/pg-boss',
    'test/engines/transaction',
    'test/engines/suite',
  ]
  const titles = 'pg-boss|pgBoss|PostgreSQL|transaction|connection string|the id of a job'
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', config, ...files, '-t', titles], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PG_BOSS_FOLDER: installed },
  })
  if (status !== 0) throw new Error(`The tests fail with pg-boss ${version}.`)
}

/** Installs a version into the folder, replacing the previous one. @returns its path. */
function install(version: string): string {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel', 'error']
  runVisibly('npm', ['install', ...options, `pg-boss@${version}`], folder)
  return join(folder, 'node_modules/pg-boss')
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
