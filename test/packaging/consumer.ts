import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { pnpmVersion } from '../../scripts/pnpm.ts'
import { repository } from '../docs/code-blocks.ts'

const run = promisify(execFile)

/** A package of this workspace as npm would get it. */
export interface PackedPackage {
  readonly name: string
  readonly version: string
  /** The folder it was packed from. */
  readonly folder: string
  readonly tarball: string
}

/** The environment of a stranger's machine: without the condition that finds our sources, and without compiled ones. */
export function foreignEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_COMPILE_CACHE: _cache, ...environment } = process.env
  return environment
}

export async function temporaryFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'scrapenest-packaging-'))
}

/** Builds every package that is published (of those that `pnpm build` builds), and tells their folders. */
async function buildPackages(): Promise<readonly Omit<PackedPackage, 'tarball'>[]> {
  const { references } = await readJson<{ references: { path: string }[] }>(join(repository, 'tsconfig.json'))
  const packages: Omit<PackedPackage, 'tarball'>[] = []
  for (const { path } of references.filter((reference) => reference.path.startsWith('packages/'))) {
    const folder = join(repository, path)
    const { name, version, private: isPrivate } = await readJson<Manifest>(join(folder, 'package.json'))
    if (isPrivate !== true) packages.push({ name, version, folder })
  }
  await runIn(repository, join(repository, 'node_modules/.bin/tsc'), ['-b', ...packages.map(({ folder }) => folder)])
  return packages
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
}

/** Builds and packs every package that is published. */
export async function packAll(destination: string): Promise<readonly PackedPackage[]> {
  const packages = await buildPackages()
  const filters = packages.flatMap(({ name }) => ['--filter', name])
  await runIn(repository, 'npx', ['-y', `pnpm@${pnpmVersion}`, ...filters, 'pack', '--pack-destination', destination])
  return packages.map((one) => ({
    ...one,
    // `@scope/name` packs to `scope-name-<version>.tgz`.
    tarball: join(destination, `${one.name.slice(1).replace('/', '-')}-${one.version}.tgz`),
  }))
}

/** An empty folder into which plain npm installs the tarballs and the frameworks, as a user's application would. */
export async function installTarballs(folder: string, packages: readonly PackedPackage[]): Promise<void> {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  const versions = await catalog()
  const frameworks = ['fastify', 'koa', 'express', '@types/koa', '@types/express', '@types/node']
  await npmInstall(folder, [
    ...packages.map(({ tarball }) => tarball),
    ...frameworks.map((name) => `${name}@${versions.get(name)}`),
  ])
}

/** A Node 20: the machine's own where it is one, else the npm package `node` in a folder of its own. */
export async function findNode20(folder: string): Promise<string> {
  for (const path of (process.env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(path, 'node')
    if (existsSync(candidate) && (await versionOf(candidate)).startsWith('v20.')) return candidate
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'node-20', private: true }))
  await npmInstall(folder, ['node@20.20.2'])
  return join(folder, 'node_modules/node/bin/node')
}

export async function versionOf(node: string): Promise<string> {
  return (await runIn(repository, node, ['--version'])).trim()
}

/** Runs a program to its end. Rejects, with all it wrote, when it ends with another code than 0. */
export async function runIn(
  folder: string,
  program: string,
  programArguments: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  try {
    const { stdout } = await run(program, programArguments, {
      cwd: folder,
      env: { ...foreignEnvironment(), ...environment },
      maxBuffer: 32 * 1024 * 1024,
      timeout: 240_000,
    })
    return stdout
  } catch (error) {
    const { message, stdout, stderr } = error as Error & { stdout?: string; stderr?: string }
    throw new Error([message, stdout, stderr].filter(Boolean).join('\n'))
  }
}

async function readJson<Content>(file: string): Promise<Content> {
  return JSON.parse(await readFile(file, 'utf8'))
}

async function npmInstall(folder: string, specifiers: readonly string[]): Promise<void> {
  await runIn(folder, 'npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...specifiers])
}

/** The versions that the workspace tests with, so that this test does not fail when a framework has a new release. */
export async function catalog(): Promise<ReadonlyMap<string, string>> {
  const workspace = await readFile(join(repository, 'pnpm-workspace.yaml'), 'utf8')
  const entries = workspace.matchAll(/^ {2}"?([@\w/-]+)"?: ([\d.]+)/gm)
  return new Map([...entries].map(([, name, version]) => [name as string, version as string]))
}
