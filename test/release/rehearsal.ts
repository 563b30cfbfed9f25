// `pnpm test:release`: a whole release against a registry on this machine. Versions a copy of the repository, publishes every
// package, with an interruption, installs them from the registry on Node 20 and 24, imports and requires every entry point, and
// publishes canaries.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pnpmParameters } from '../../scripts/pnpm.ts'
import { repository } from '../docs/code-blocks.ts'
import { freePort } from '../free-port.ts'
import { catalog, findNode20, foreignEnvironment, runIn, versionOf } from '../packaging/consumer.ts'

const folder = await mkdtemp(join(tmpdir(), 'scrapenest-release-'))
const copy = join(folder, 'repository')
const userConfig = join(folder, 'npmrc')
const startedAtMs = performance.now()
/** How many packages the registry accepts before it is gone. */
const beforeOutage = 5
const current: string = JSON.parse(await readFile(join(repository, 'packages/core/package.json'), 'utf8')).version
const [major, minor] = current.split('.').map(Number) as [number, number]
const next = `${major}.${minor + 1}.0`
let registry: Registry | undefined

try {
  await copyRepository()
  say('copied and installed')
  await applyChangeset()
  say(`versioned: every package is at ${next}, and has a changelog`)
  registry = await startRegistry()
  await writeFile(userConfig, npmrc(registry.url))
  await expectNoProvenance()
  say('npm refuses provenance on this machine, as it must outside of a workflow it trusts')
  const published = await publishWithInterruption(registry)
  say(`published ${published.length} packages, although the registry was gone after ${beforeOutage}`)
  for (const node of [await node20(), process.execPath]) {
    await installAndLoad(node, published)
    say(`installed, imported and required on Node ${await versionOf(node)}`)
  }
  await publishCanaries(published)
  say('published canaries, which depend on each other alone')
} finally {
  registry?.close()
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
  await pnpm(['install', '--frozen-lockfile', '--prefer-offline'])
}

async function applyChangeset(): Promise<void> {
  const changeset = '---\n"@scrapenest-webhooks/core": minor\n---\n\nA rehearsed change.\n'
  await writeFile(join(copy, '.changeset/rehearsed.md'), changeset)
  await pnpm(['version-packages'])
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

interface Registry {
  readonly url: string
  /** Accepts this many more packages, and then no connection, as if it were gone. */
  endAfter(packages: number): void
  close(): void
}

/** A registry for our scope alone: what else is installed comes from where npm has it from. */
async function startRegistry(): Promise<Registry> {
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
  return await withOutage(url, started)
}

/** Stands between npm and the registry. */
async function withOutage(target: string, verdaccio: ChildProcess): Promise<Registry> {
  let accepted = 0
  let limit = Number.POSITIVE_INFINITY
  const server: Server = createServer((incoming, outgoing) => {
    if (accepted >= limit) {
      incoming.destroy()
      return
    }
    if (incoming.method === 'PUT') accepted += 1
    const { method, headers, url = '' } = incoming
    const forwarded = request(new URL(url, target), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    incoming.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    endAfter(packages) {
      accepted = 0
      limit = packages
    },
    close() {
      server.close()
      server.closeAllConnections()
      verdaccio.kill()
    },
  }
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

/** Publishes until the registry is gone, and again when it is back. */
async function publishWithInterruption(registry: Registry): Promise<readonly string[]> {
  registry.endAfter(beforeOutage)
  // Without npm's own retries, which wait for 10 s and more.
  await assert.rejects(
    pnpm(['publish-packages'], { npm_config_fetch_retries: '0' }),
    /npm cannot say whether .+ is published/,
  )
  registry.endAfter(Number.POSITIVE_INFINITY)
  await installAlone(await publishedSoFar())

  const rest = await pnpm(['publish-packages'])
  const names = (await readdir(join(copy, 'packages'))).map((name) => `@scrapenest-webhooks/${name}`)
  assert.equal(rest.match(/is published already$/gm)?.length, beforeOutage)
  assert.equal(
    rest.match(new RegExp(`^\\+ @scrapenest-webhooks/.+@${next}$`, 'gm'))?.length,
    names.length - beforeOutage,
  )
  return names
}

async function publishedSoFar(): Promise<readonly string[]> {
  const published = await readdir(join(folder, 'registry/@scrapenest-webhooks'))
  assert.equal(published.length, beforeOutage)
  return published.map((name) => `@scrapenest-webhooks/${name}`)
}

/** An interrupted release must not leave a package whose dependencies do not exist. */
async function installAlone(packages: readonly string[]): Promise<void> {
  for (const name of packages) {
    const consumer = await mkdtemp(join(folder, 'consumer-'))
    await writeFile(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
    const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--package-lock-only', name]
    await runIn(consumer, 'npm', install, { npm_config_userconfig: userConfig })
  }
}

/** What the job `canary` of the workflow does. */
async function publishCanaries(packages: readonly string[]): Promise<void> {
  await assert.rejects(pnpm(['publish-packages', '--tag', 'canary']), /cannot be published under the tag canary/)
  await writeFile(join(copy, '.changeset/canary.md'), '---\n"@scrapenest-webhooks/core": patch\n---\n\nA canary.\n')
  await pnpm(['changeset', 'version', '--snapshot', 'canary'])
  await pnpm(['publish-packages', '--tag', 'canary'])
  for (const name of packages) {
    const view = ['view', `${name}@canary`, 'version', 'dependencies', 'dist-tags', '--json']
    const canary = JSON.parse(await runIn(folder, 'npm', view, { npm_config_userconfig: userConfig }))
    assert.match(canary.version, /^0\.0\.0-canary-[0-9a-f]+$/, name)
    assert.equal(canary['dist-tags'].latest, next, name)
    const ours = Object.entries(canary.dependencies ?? {}).filter(([other]) => packages.includes(other))
    for (const [other, range] of ours) assert.equal(range, canary.version, `${name} depends on ${other}`)
  }
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

async function pnpm(parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const npm = { npm_config_userconfig: userConfig, CI: 'true', ...environment }
  return await runIn(copy, 'npx', pnpmParameters(...parameters), npm)
}
