import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pnpmParameters } from '../../scripts/pnpm.ts'
import { catalog, type PackedPackage, runIn } from '../packaging/consumer.ts'
import { importsIn } from '../packaging/installed-package.ts'

/** The ways a project can import packages: the form of its sources and the compiler options. */
export const moduleSettings = {
  nodenext: { sources: 'modules', options: { module: 'nodenext', verbatimModuleSyntax: true } },
  bundler: {
    sources: 'modules',
    options: { module: 'esnext', moduleResolution: 'bundler', verbatimModuleSyntax: true },
  },
  // Without `verbatimModuleSyntax`, which forbids `import … from` in CommonJS.
  commonjs: { sources: 'commonjs', options: { module: 'commonjs' } },
  'nodenext, from CommonJS': { sources: 'commonjs', options: { module: 'nodenext' } },
} as const

export type ModuleSetting = keyof typeof moduleSettings

/** A user's project: its sources, and what its package.json declares. */
export interface Consumer {
  readonly name: string
  readonly folder: string
  readonly sources: readonly string[]
  readonly dependencies: readonly string[]
}

export interface Consumers {
  /** A pnpm workspace: a project can import its own dependencies, but not transitive ones. */
  readonly folder: string
  readonly all: readonly Consumer[]
  /** Every specifier that our packages export, such as `@scrapenest-webhooks/core/fetch`. */
  readonly entryPoints: readonly string[]
}

const fixtures = join(import.meta.dirname, 'consumers')

/** The project with the third-party packages of all others, and none of ours. */
export const thirdParty = 'third-party'
/** The project that depends on everything and imports every entry point. */
export const application = 'application'

/** Creates a project for each folder of `consumers`, and installs the tarballs with pnpm's strict layout. */
export async function installConsumers(folder: string, packed: readonly PackedPackage[]): Promise<Consumers> {
  const entryPoints = (await Promise.all(packed.map(entryPointsOf))).flat()
  const versions = await catalog()
  const tarballs = new Map(packed.map(({ name, tarball }) => [name, `file:${tarball}`]))
  const all: Consumer[] = []
  for (const name of await readdir(fixtures)) {
    const consumer = await writeConsumer(join(folder, name), name, entryPoints)
    const dependencies = consumer.dependencies.map((dependency) => {
      const version = tarballs.get(dependency) ?? versions.get(dependency)
      if (version === undefined) throw new Error(`${name} imports ${dependency}, which is not in the catalog.`)
      return [dependency, version] as const
    })
    const manifest = { name, private: true, type: 'module', dependencies: Object.fromEntries(dependencies) }
    await writeFile(join(consumer.folder, 'package.json'), JSON.stringify(manifest))
    all.push(consumer)
  }
  // The tarballs depend on versions of each other that are not published.
  const workspace = { packages: ['*'], overrides: Object.fromEntries(tarballs) }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumers', private: true }))
  await writeFile(join(folder, 'pnpm-workspace.yaml'), JSON.stringify(workspace))
  const install = ['install', '--prefer-offline', '--no-frozen-lockfile', '--ignore-scripts']
  await runIn(folder, 'npx', pnpmParameters(...install))
  return { folder, all, entryPoints }
}

/** Writes the sources twice: as ES modules and as CommonJS. */
async function writeConsumer(folder: string, name: string, entryPoints: readonly string[]): Promise<Consumer> {
  for (const sources of ['modules', 'commonjs'])
    await cp(join(fixtures, name), join(folder, sources), { recursive: true })
  if (name === application) {
    const imports = entryPoints.map((entryPoint, index) => `export * as entry${index} from '${entryPoint}'\n`)
    for (const sources of ['modules', 'commonjs'])
      await writeFile(join(folder, sources, 'entry-points.ts'), imports.join(''))
  }
  await writeFile(join(folder, 'commonjs/package.json'), JSON.stringify({ type: 'commonjs' }))
  const sources = (await readdir(join(folder, 'modules'))).sort()
  const texts = await Promise.all(sources.map((source) => readFile(join(folder, 'modules', source), 'utf8')))
  return { name, folder, sources, dependencies: await dependenciesOf(texts) }
}

/** Exactly the packages that a project must declare for its imports. */
async function dependenciesOf(texts: readonly string[]): Promise<readonly string[]> {
  const versions = await catalog()
  const specifiers = texts.flatMap(importsIn).filter((specifier) => !/^(?:\.|node:)/.test(specifier))
  const names = new Set(specifiers.map((specifier) => (/^(?:@[^/]+\/)?[^/]+/.exec(specifier) as RegExpExecArray)[0]))
  const types = [...names].map((name) => `@types/${name}`).filter((name) => versions.has(name))
  return [...names, ...types, '@types/node']
}

async function entryPointsOf({ name, folder }: PackedPackage): Promise<readonly string[]> {
  const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { exports: object }
  const paths = Object.keys(exports).filter((path) => path !== './package.json')
  return paths.map((path) => name + path.slice(1))
}
