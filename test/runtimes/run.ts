import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packAll, runIn, temporaryFolder } from '../packaging/consumer.ts'

/** The oldest Node that the packages support, and the newest release of each major. */
const nodeVersions = ['20.19.0', '20.20.2', '22.23.3', '24.21.0', '26.10.0']

/** The oldest and the newest version of each framework in the peer ranges. */
const frameworkSets = {
  oldest: { fastify: '4.28.0', koa: '2.15.0', express: '4.19.0' },
  newest: { fastify: '5.12.8', koa: '3.3.0', express: '5.3.0' },
} as const

type FrameworkSet = keyof typeof frameworkSets
const packageNames = ['core', 'node', 'fastify', 'koa', 'express', 'testing'].map(
  (name) => `@scrapenest-webhooks/${name}`,
)

interface Outcome {
  /** How many vectors passed, and how many conformance checks per host. */
  readonly results: Readonly<Record<string, number>>
  readonly failures: readonly string[]
}

const vectors = fileURLToPath(new URL('../vectors/vectors.json', import.meta.url))
const folder = await temporaryFolder()
try {
  process.exitCode = await printMatrix(folder)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function printMatrix(root: string): Promise<number> {
  await mkdir(join(root, 'tarballs'))
  const packed = (await packAll(join(root, 'tarballs'))).filter(({ name }) => packageNames.includes(name))
  const consumers = new Map<FrameworkSet, string>()
  for (const set of Object.keys(frameworkSets) as FrameworkSet[]) {
    const frameworks = Object.entries(frameworkSets[set]).map(([name, version]) => `${name}@${version}`)
    const consumer = await installInto(join(root, set), [...packed.map(({ tarball }) => tarball), ...frameworks])
    await copyFile(new URL('smoke.mjs', import.meta.url), join(consumer, 'smoke.mjs'))
    consumers.set(set, consumer)
  }
  const rows: string[][] = []
  const failures: string[] = []
  for (const version of nodeVersions) {
    const node = join(
      await installInto(join(root, `node-${version}`), [`node@${version}`]),
      'node_modules/node/bin/node',
    )
    for (const [set, consumer] of consumers) {
      const outcome = await trySmoke(consumer, node)
      failures.push(...outcome.failures.map((failure) => `Node ${version}, ${set} frameworks: ${failure}`))
      rows.push([version, set, ...cellsOf(outcome, set)])
    }
  }
  console.log(table([['Node', 'frameworks', 'vectors', 'node', 'fastify', 'koa', 'express'], ...rows]))
  console.log(
    `\nEach cell: the checks that passed with the packed packages, installed by npm. ${failures.length} failures.`,
  )
  for (const failure of failures) console.log(`✗ ${failure}`)
  return failures.length === 0 ? 0 : 1
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

async function trySmoke(consumer: string, node: string): Promise<Outcome> {
  try {
    const printed = await runIn(consumer, node, ['smoke.mjs', vectors])
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
