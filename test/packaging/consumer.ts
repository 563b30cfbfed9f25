import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { buildPackages, type PublishedPackage } from '../../scripts/build.ts'
import { pnpmParameters } from '../../scripts/pnpm.ts'
import { startOf } from '../../scripts/start.ts'
import { repository } from '../docs/code-blocks.ts'

const run = promisify(execFile)
const nodeFile = process.platform === 'win32' ? 'node.exe' : 'node'

/** A package of this workspace, packed for npm. */
export interface PackedPackage extends PublishedPackage {
  readonly tarball: string
}

/**
 * The environment of a user's machine: without the condition that resolves our sources, without the compile cache, and without
 * the identity of a CI job, with which npm signs in and makes provenance.
 */
export function foreignEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_COMPILE_CACHE: _cache, ...environment } = process.env
  const isOfJob = (name: string): boolean => /^(?:ACTIONS|GITHUB|RUNNER)_/.test(name)
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isOfJob(name)))
}

export async function temporaryFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'scrapenest-packaging-'))
}

/** Builds and packs every published package. */
export async function packAll(destination: string): Promise<readonly PackedPackage[]> {
  const packages = await buildPackages()
  const filters = packages.flatMap(({ name }) => ['--filter', name])
  await runIn(repository, 'npx', pnpmParameters(...filters, 'pack', '--pack-destination', destination))
  return packages.map((one) => ({
    ...one,
    // `@scope/name` packs to `scope-name-<version>.tgz`.
    tarball: join(destination, `${one.name.slice(1).replace('/', '-')}-${one.version}.tgz`),
  }))
}

/** Installs the tarballs and the frameworks with npm into an empty folder, as a user's application would. */
export async function installTarballs(folder: string, packages: readonly PackedPackage[]): Promise<void> {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  const versions = await catalog()
  const frameworks = ['fastify', 'koa', 'express', '@types/koa', '@types/express', '@types/node']
  await npmInstall(folder, [
    ...packages.map(({ tarball }) => tarball),
    ...frameworks.map((name) => `${name}@${versions.get(name)}`),
  ])
}

/** Finds a Node 20 on the PATH, or installs the npm package `node` into the folder. */
export async function findNode20(folder: string): Promise<string> {
  for (const path of (process.env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(path, nodeFile)
    if (existsSync(candidate) && (await versionOf(candidate)).startsWith('v20.')) return candidate
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'node-20', private: true }))
  await npmInstall(folder, ['node@20.20.2'])
  return join(folder, 'node_modules/node/bin', nodeFile)
}

export async function versionOf(node: string): Promise<string> {
  return (await runIn(repository, node, ['--version'])).trim()
}

/** Runs a program until it exits. Rejects with its output unless it exits with 0. */
export async function runIn(
  folder: string,
  program: string,
  programArguments: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  const start = startOf(program, programArguments)
  try {
    const { stdout } = await run(start.program, start.parameters, {
      cwd: folder,
      shell: start.shell,
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

async function npmInstall(folder: string, specifiers: readonly string[]): Promise<void> {
  await runIn(folder, 'npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...specifiers])
}

/** The catalog's versions, so that a new release of a framework does not fail this test. */
export async function catalog(): Promise<ReadonlyMap<string, string>> {
  const workspace = await readFile(join(repository, 'pnpm-workspace.yaml'), 'utf8')
  const entries = workspace.matchAll(/^ {2}"?([@\w/-]+)"?: ([\d.]+)/gm)
  return new Map([...entries].map(([, name, version]) => [name as string, version as string]))
}
