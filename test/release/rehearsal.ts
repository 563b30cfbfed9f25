// `pnpm test:release`: a whole release against a registry on this machine. Versions a copy of the repository, publishes every
// package, installs them from the registry on Node 20 and 24, imports and requires every entry point.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pnpmVersion } from '../../scripts/pnpm.ts'
import { repository } from '../docs/code-blocks.ts'
import { freePort } from '../free-port.ts'
import { catalog, findNode20, foreignEnvironment, runIn, versionOf } from '../packaging/consumer.ts'

const folder = await mkdtemp(join(tmpdir(), 'scrapenest-release-'))
const copy = join(folder, 'repository')
const userConfig = join(folder, 'npmrc')
const startedAtMs = performance.now()
const current: string = JSON.parse(await readFile(join(repository, 'packages/core/package.json'), 'utf8')).version
const [major, minor] = current.split('.').map(Number) as [number, number]
const next = `${major}.${minor + 1}.0`
let registry: { readonly url: string; readonly process: ChildProcess } | undefined

try {
  await copyRepository()
  say('copied and installed')
  await applyChangeset()
  say(`versioned: every package is at ${next}, and has a changelog`)
  registry = await startRegistry()
  await writeFile(userConfig, npmrc(registry.url))
  await expectNoProvenance()
  say('npm refuses provenance on this machine, as it must outside of a workflow it trusts')
  const published = await publishTwice()
  say(`published ${published.length} packages, and a second time none`)
  for (const node of [await node20(), process.execPath]) {
    await installAndLoad(node, published)
    say(`installed, imported and required on Node ${await versionOf(node)}`)
  }
} finally {
  registry?.process.kill()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

function say(done: string): void {
  console.log(`✓ ${done} (${Math.round((performance.now() - startedAtMs) / 1000)} s)`)
}

/** What git would commit now, so that a rehearsal includes changes that are not committed yet. */
async function copyRepository(): Promise<void> {
  const listed = await runIn(repository, 'git', ['ls-files', '--cached', '--others', '--exclude-standard'])
  for (const file of listed.trim().split('\n')) {
    if (existsSync(join(repository, file))) await cp(join(repository, file), join(copy, file))
  }
  // changesets compares with a branch.
  const git = ['-c', 'user.name=rehearsal', '-c', 'user.email=rehearsal@example.com', '-c', 'init.defaultBranch=main']
  await runIn(copy, 'git', [...git, 'init', '--quiet'])
  await runIn(copy, 'git', ['add', '--all'])
  await runIn(copy, 'git', [...git, 'commit', '--quiet', '--message', 'rehearsal'])
  await pnpm('install', '--frozen-lockfile', '--prefer-offline')
}

async function applyChangeset(): Promise<void> {
  const changeset = '---\n"@scrapenest-webhooks/core": minor\n---\n\nA rehearsed change.\n'
  await writeFile(join(copy, '.changeset/rehearsed.md'), changeset)
  await pnpm('version-packages')
  for (const name of await readdir(join(copy, 'packages'))) {
    const manifest = JSON.parse(await readFile(join(copy, 'packages', name, 'package.json'), 'utf8'))
    const changelog = await readFile(join(copy, 'packages', name, 'CHANGELOG.md'), 'utf8')
    assert.equal(manifest.version, next, name)
    const headings = [...changelog.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    assert.deepEqual(headings.slice(0, 2), [next, current], name)
  }
  assert.match(await readFile(join(copy, 'packages/core/CHANGELOG.md'), 'utf8'), /- A rehearsed change\./)
  const released = JSON.parse(await readFile(join(copy, '.changeset/released-api.json'), 'utf8'))
  assert.ok(released['@scrapenest-webhooks/core'].verify.startsWith('function verify('))
}

/** A registry for our scope alone: what else is installed comes from where npm has it from. */
async function startRegistry(): Promise<{ readonly url: string; readonly process: ChildProcess }> {
  const port = await freePort()
  const config = join(folder, 'verdaccio.yaml')
  const access = { access: '$all', publish: '$all', unpublish: '$all' }
  await writeFile(
    config,
    JSON.stringify({
      storage: join(folder, 'registry'),
      auth: { htpasswd: { file: join(folder, 'htpasswd'), max_users: -1 } },
      packages: { '@scrapenest-webhooks/*': access },
      log: { type: 'stdout', format: 'json', level: 'warn' },
    }),
  )
  const verdaccio = join(dirname(fileURLToPath(import.meta.resolve('verdaccio/package.json'))), 'bin/verdaccio')
  const started = spawn(process.execPath, [verdaccio, '--config', config, '--listen', `127.0.0.1:${port}`], {
    env: foreignEnvironment(),
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const url = `http://127.0.0.1:${port}/`
  while (!(await answers(`${url}-/ping`))) {
    assert.equal(started.exitCode, null, 'the registry ended')
    await wait(100)
  }
  return { url, process: started }
}

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(
    ({ ok }) => ok,
    () => false,
  )
}

/** npm sends no package without some token, which this registry does not look at. */
function npmrc(url: string): string {
  return `@scrapenest-webhooks:registry=${url}\n${url.replace('http:', '')}:_authToken=rehearsal\n`
}

async function publishTwice(): Promise<readonly string[]> {
  const first = await pnpm('publish-packages')
  const lines = [...first.matchAll(/^\+ (@scrapenest-webhooks\/[\w-]+)@(.+)$/gm)]
  const published = lines.filter(([, , version]) => version === next).map(([, name]) => name as string)
  assert.deepEqual(
    published.sort(),
    (await readdir(join(copy, 'packages'))).map((name) => `@scrapenest-webhooks/${name}`).sort(),
  )
  const second = await pnpm('publish-packages')
  assert.equal(second.match(/is published already$/gm)?.length, published.length)
  return published
}

async function node20(): Promise<string> {
  const place = join(folder, 'node-20')
  await mkdir(place)
  return await findNode20(place)
}

async function installAndLoad(node: string, packages: readonly string[]): Promise<void> {
  const consumer = await mkdtemp(join(folder, 'consumer-'))
  await writeFile(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  const versions = await catalog()
  const peers = ['fastify', 'koa', 'express', 'bullmq', 'ioredis', 'pg-boss'].map(
    (name) => `${name}@${versions.get(name)}`,
  )
  // Inboxes, the simulator and the command line need Node 22.13, which npm only warns about.
  const isOld = (await versionOf(node)).startsWith('v20.')
  const fitting = packages.filter((name) => !isOld || !/inbox|simulator|cli$/.test(name))
  const install = [
    'install',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    ...fitting,
    ...(isOld ? peers.slice(0, 3) : peers),
  ]
  await runIn(consumer, node, [npmProgram(), ...install], { npm_config_userconfig: userConfig })
  const specifiers: string[] = []
  for (const name of fitting) {
    const manifest = JSON.parse(await readFile(join(consumer, 'node_modules', name, 'package.json'), 'utf8'))
    assert.equal(manifest.version, next, name)
    const entries = Object.keys(manifest.exports).filter((path) => path !== './package.json')
    specifiers.push(...entries.map((entry) => `${name}${entry.slice(1)}`))
  }
  assert.ok(specifiers.includes('@scrapenest-webhooks/core/fetch'))
  const check = (load: string): string =>
    `if (Object.keys(${load}).length === 0) throw new Error('an entry point exports nothing')`
  const imports = specifiers.map((specifier) => check(`(await import('${specifier}'))`))
  const requires = specifiers.map((specifier) => check(`require('${specifier}')`))
  await runIn(consumer, node, ['--input-type=module', '--eval', imports.join('\n')])
  await runIn(consumer, node, ['--eval', requires.join('\n')])
}

/** npm's own program, to run it on a Node of our choice. */
function npmProgram(): string {
  for (const path of (process.env['PATH'] ?? '').split(delimiter)) {
    const command = join(path, process.platform === 'win32' ? 'npm.cmd' : 'npm')
    if (!existsSync(command)) continue
    const [bundled, linked] = [join(dirname(command), 'node_modules/npm/bin/npm-cli.js'), realpathSync(command)]
    return existsSync(bundled) ? bundled : linked
  }
  throw new Error('There is no npm on the PATH.')
}

/** Provenance is a statement of the CI that built a package, so a machine without one cannot make it. */
async function expectNoProvenance(): Promise<void> {
  const environment = { npm_config_userconfig: userConfig }
  const publish = ['publish', '--provenance', '--access', 'public', './packages/core']
  await assert.rejects(
    runIn(copy, process.execPath, [npmProgram(), ...publish, '--tag', 'rehearsal'], environment),
    /Automatic provenance generation not supported/,
  )
}

async function pnpm(...parameters: readonly string[]): Promise<string> {
  const environment = { npm_config_userconfig: userConfig, CI: 'true' }
  return await runIn(copy, 'npx', ['-y', `pnpm@${pnpmVersion}`, ...parameters], environment)
}
