// Builds the published packages. The compiler writes a declaration per source file. Rolldown writes a script per entry point and
// a shared one, because Node spends more time finding and opening files than running them (docs/decisions/0028-import-time.md).
import { execFile } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { rolldown } from 'rolldown'

const repository = dirname(import.meta.dirname)

interface Manifest {
  readonly name: string
  readonly version: string
  readonly engines: { readonly node: string }
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, string | { readonly default: string }>>
  readonly bin?: Readonly<Record<string, string>>
}

export interface PublishedPackage {
  readonly name: string
  readonly version: string
  /** The package's folder, which contains `src` and `dist`. */
  readonly folder: string
}

/** Builds every published package. @returns their folders. */
export async function buildPackages(): Promise<readonly PublishedPackage[]> {
  const packages: PublishedPackage[] = []
  const manifests: Manifest[] = []
  for (const directory of await readdir(join(repository, 'packages'))) {
    const folder = join(repository, 'packages', directory)
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
    if (manifest.private === true) continue
    packages.push({ name: manifest.name, version: manifest.version, folder })
    manifests.push(manifest)
  }
  const folders = packages.map(({ folder }) => folder)
  await compile(folders)
  await Promise.all(folders.map((folder, index) => bundle(folder, manifests[index] as Manifest)))
  return packages
}

async function compile(folders: readonly string[]): Promise<void> {
  try {
    const compiler = join(repository, 'node_modules/typescript/bin/tsc')
    await promisify(execFile)(process.execPath, [compiler, '-b', ...folders])
  } catch (error) {
    throw new Error(`The packages do not compile:\n${(error as { stdout?: string }).stdout}`, { cause: error })
  }
}

/** The scripts in package.json, such as `./dist/index.js`. */
function scriptsOf({ exports = {}, bin = {} }: Manifest): string[] {
  const exported = Object.values(exports).map((target) => (typeof target === 'string' ? target : target.default))
  return [...exported, ...Object.values(bin)].filter((target) => target.endsWith('.js'))
}

async function bundle(folder: string, manifest: Manifest): Promise<void> {
  const input = Object.fromEntries(
    scriptsOf(manifest).map((script) => {
      const name = script.replace(/^\.\/dist\/|\.js$/g, '')
      return [name, join(folder, 'src', `${name}.ts`)]
    }),
  )
  const directory = join(folder, 'dist')
  const build = await rolldown({
    input,
    cwd: folder,
    platform: 'node',
    // Everything except the package's own files.
    external: /^[^./]/,
    plugins: [{ name: 'built-in-modules', renderChunk: (code) => withoutLazyExports(code, manifest) }],
    onLog(level, log) {
      if (level === 'warn') throw new Error(log.message)
    },
  })
  for (const file of await readdir(directory, { recursive: true })) {
    if (file.endsWith('.js')) await rm(join(directory, file))
  }
  await build.write({
    dir: directory,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    // JSDoc is in the declarations.
    comments: { jsdoc: false },
    codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
  })
}

/**
 * Importing a built-in module evaluates all its lazy exports: node:util then loads workers, and node:http loads undici.
 * `process.getBuiltinModule` loads only what is used. Node 18 and edge runtimes do not have it.
 */
function withoutLazyExports(code: string, { name, engines }: Manifest): string {
  const rewritten = code.replaceAll(
    /^import (?:(\w+)(?:, )?)?(\{[^}]*\})? from "(node:[\w/]+)";$/gm,
    (_, all: string | undefined, names: string | undefined, module: string) => {
      const constants = [all, names?.replaceAll(' as ', ': ')].filter((one) => one !== undefined)
      return constants.map((constant) => `const ${constant} = process.getBuiltinModule("${module}");`).join('\n')
    },
  )
  const missed = /^import .*"node:.*/m.exec(rewritten)
  if (missed !== null) throw new Error(`Cannot rewrite an import of a built-in module: ${missed[0]}`)
  // The other packages import core first.
  if (rewritten === code || name !== '@scrapenest-webhooks/core') return rewritten
  const message = `${name} needs Node.js ${engines.node}, and this is \${process.version ?? "another runtime"}.`
  return `if (process.getBuiltinModule === undefined) throw new Error(\`${message}\`);\n${rewritten}`
}

if (import.meta.main) await buildPackages()
