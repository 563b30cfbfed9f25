import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PackedPackage, packAll, runIn, temporaryFolder } from '../packaging/consumer.ts'
import { tryNextBuild } from './next-build.ts'
import { installRunner, testRunners } from './test-runners.ts'

/** The oldest Node that the packages support, and the newest release of each major. */
const nodeVersions = ['20.19.0', '20.20.2', '22.23.3', '24.21.0', '26.10.0']

/** The oldest and the newest version of each framework in the peer ranges. */
const frameworkSets = {
  oldest: { fastify: '4.28.0', koa: '2.15.0', express: '4.19.0' },
  newest: { fastify: '5.12.8', koa: '3.3.0', express: '5.3.0' },
} as const

/** The same for the packages that need node:sqlite. */
const inboxNodeVersions = ['22.13.0', '22.23.3', '24.21.0', '26.10.0']

type FrameworkSet = keyof typeof frameworkSets
const packageNames = ['core', 'node', 'fastify', 'koa', 'express', 'testing']
const inboxPackageNames = ['core', 'node', 'testing', 'inbox', 'client', 'simulator', 'cli']

interface Outcome {
  /** How many vectors passed, and how many conformance checks per host. */
  readonly results: Readonly<Record<string, number | string>>
  readonly failures: readonly string[]
}

const vectors = fileURLToPath(new URL('../vectors/vectors.json', import.meta.url))
const folder = await temporaryFolder()
try {
  await mkdir(join(folder, 'tarballs'))
  const packed = await packAll(join(folder, 'tarballs'))
  const failures = [
    ...(await printHosts(folder, packed)),
    ...(await printInboxes(folder, packed)),
    ...(await printTools(folder, packed)),
  ]
  console.log(`\n${failures.length} failures.`)
  for (const failure of failures) console.log(`✗ ${failure}`)
  process.exitCode = failures.length === 0 ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Prints how many vectors and conformance checks pass. @returns the failures. */
async function printHosts(root: string, packed: readonly PackedPackage[]): Promise<readonly string[]> {
  const consumers = new Map<FrameworkSet, string>()
  for (const set of Object.keys(frameworkSets) as FrameworkSet[]) {
    const frameworks = Object.entries(frameworkSets[set]).map(([name, version]) => `${name}@${version}`)
    const consumer = await installInto(join(root, set), [...tarballsOf(packed, packageNames), ...frameworks])
    await copyFile(new URL('smoke.mjs', import.meta.url), join(consumer, 'smoke.mjs'))
    consumers.set(set, consumer)
  }
  const rows: string[][] = []
  const failures: string[] = []
  for (const version of nodeVersions) {
    const node = await installNode(root, version)
    for (const [set, consumer] of consumers) {
      const outcome = await trySmoke(consumer, [node, 'smoke.mjs', vectors])
      failures.push(...outcome.failures.map((failure) => `Node ${version}, ${set} frameworks: ${failure}`))
      rows.push([version, set, ...cellsOf(outcome, set)])
    }
  }
  console.log(table([['Node', 'frameworks', 'vectors', 'node', 'fastify', 'koa', 'express'], ...rows]))
  console.log('\nEach cell: what passed, of the packed packages as npm installs them.\n')
  return failures
}

/** Prints how many inbox checks pass, and tries one job from client to download. @returns the failures. */
async function printInboxes(root: string, packed: readonly PackedPackage[]): Promise<readonly string[]> {
  const consumer = await installInto(join(root, 'inboxes'), tarballsOf(packed, inboxPackageNames))
  await copyFile(new URL('smoke-inbox.mjs', import.meta.url), join(consumer, 'smoke-inbox.mjs'))
  const rows: string[][] = []
  const failures: string[] = []
  for (const version of inboxNodeVersions) {
    const node = await installNode(root, version)
    const outcome = await trySmoke(consumer, [node, '--disable-warning=ExperimentalWarning', 'smoke-inbox.mjs'])
    failures.push(...outcome.failures.map((failure) => `Node ${version}: ${failure}`))
    rows.push([version, ...['memory', 'sqlite'].map((name) => String(outcome.results[name] ?? '✗'))])
  }
  console.log(table([['Node', 'memory', 'sqlite'], ...rows]))
  console.log('\nEach cell: checks that pass + checks that do not apply. Each row also ran a job and the command line.')
  return failures
}

/** Runs a test in each test runner, and a build that imports a receiver. @returns the failures. */
async function printTools(root: string, packed: readonly PackedPackage[]): Promise<readonly string[]> {
  const failures: string[] = []
  async function attempt(name: string, work: () => Promise<readonly string[]>): Promise<void> {
    const found = await work().catch((error: Error) => [error.message])
    console.log(`${found.length === 0 ? '✓' : '✗'} ${name}`)
    failures.push(...found.map((failure) => `${name}: ${failure}`))
  }
  console.log()
  for (const [major, version] of [
    [20, '20.20.2'],
    [24, '24.21.0'],
  ] as const) {
    const node = await installNode(root, version)
    for (const [index, setup] of testRunners[major].entries()) {
      await attempt(`${setup.name}, on Node ${version}`, async () => {
        const runTests = await installRunner(join(root, `runner-${major}-${index}`), packed, setup)
        await runTests(node)
        return []
      })
    }
  }
  const node = await installNode(root, '24.21.0')
  await attempt('next build, without the secret and with an event in the inbox', () =>
    tryNextBuild(join(root, 'next'), packed, node),
  )
  return failures
}

function tarballsOf(packed: readonly PackedPackage[], names: readonly string[]): string[] {
  return packed
    .filter(({ name }) => names.includes(name.replace('@scrapenest-webhooks/', '')))
    .map(({ tarball }) => tarball)
}

/** @returns the path of its executable. */
async function installNode(root: string, version: string): Promise<string> {
  const folder = join(root, `node-${version}`)
  if (!existsSync(folder)) await installInto(folder, [`node@${version}`])
  return join(folder, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node')
}

async function installInto(destination: string, specifiers: readonly string[]): Promise<string> {
  await mkdir(destination)
  await writeFile(
    join(destination, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  )
  await runIn(destination, 'npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...specifiers])
  return destination
}

async function trySmoke(consumer: string, [command = '', ...options]: readonly string[]): Promise<Outcome> {
  try {
    const printed = await runIn(consumer, command, options)
    return JSON.parse(printed.trimEnd().split('\n').at(-1) as string)
  } catch (error) {
    return { results: {}, failures: [(error as Error).message] }
  }
}

function cellsOf({ results }: Outcome, set: FrameworkSet): string[] {
  const versions: Readonly<Record<string, string>> = frameworkSets[set]
  return ['vectors', 'node', 'fastify', 'koa', 'express'].map((name) => {
    const passed = results[name] ?? '✗'
    return versions[name] === undefined ? String(passed) : `${passed} (${versions[name]})`
  })
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2)).join('')).join('\n')
}

// Fails when a version here is older than in the workspace.
const workspace = await readFile(new URL('../../pnpm-workspace.yaml', import.meta.url), 'utf8')
for (const [name, version] of Object.entries(frameworkSets.newest)) {
  if (workspace.includes(`\n  ${name}: ${version}\n`)) continue
  console.log(`The workspace has another version of ${name} than ${version}.`)
  process.exitCode = 1
}
