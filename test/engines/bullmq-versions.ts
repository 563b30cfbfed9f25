// Runs the tests of the inbox on BullMQ with the oldest supported versions and with the newest:
// node --conditions=@scrapenest-webhooks/source test/engines/bullmq-versions.ts
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runVisibly } from '../../scripts/start.ts'
import { hasProgram, provideCommand } from './installed-engines.ts'

const root = join(import.meta.dirname, '../..')
if (!hasProgram('redis')) throw new Error(`redis-server is not installed. ${provideCommand} installs it.`)

const { peerDependencies } = readJson(join(root, 'packages/inbox-bullmq/package.json')) as {
  peerDependencies: { bullmq: string; ioredis: string }
}

const lowest = Object.entries(peerDependencies).map(([name, range]) => `${name}@${range.replace('^', '')}`)
const newest = Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`)

for (const packages of [lowest, newest]) test(packages)

function test(packages: readonly string[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'scrapenest-bullmq-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    const install = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel', 'error', ...packages]
    runVisibly('npm', install, folder)
    const installed = packages.map((one) => {
      const name = one.slice(0, one.indexOf('@'))
      const { version } = readJson(join(folder, 'node_modules', name, 'package.json')) as { version: string }
      return `${name} ${version}`
    })
    console.log(`\n${installed.join(', ')}`)
    const vitest = join(root, 'node_modules/vitest/vitest.mjs')
    const config = join(import.meta.dirname, 'bullmq-version.config.ts')
    const files = ['packages/inbox-bullmq/test', 'test/engines/bullmq', 'test/engines/suite.test.ts']
    const { status } = spawnSync(
      process.execPath,
      [vitest, 'run', '--config', config, ...files, '-t', 'bullmq|BullMQ'],
      {
        cwd: root,
        stdio: 'inherit',
        env: { ...process.env, BULLMQ_FOLDER: folder },
      },
    )
    if (status !== 0) throw new Error(`The tests fail with ${installed.join(', ')}.`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
