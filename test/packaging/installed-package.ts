import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { PackedPackage } from './consumer.ts'

/** The fields of a published package.json that are checked. */
interface Manifest {
  /** Absent in a package that only has a command. */
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** A package in a user's node_modules. */
export class InstalledPackage {
  readonly name: string
  readonly tarball: string
  readonly #root: string
  readonly #source: string

  constructor(packed: PackedPackage, consumer: string) {
    this.name = packed.name
    this.tarball = packed.tarball
    this.#source = packed.folder
    this.#root = join(consumer, 'node_modules', packed.name)
  }

  /** Every file, relative to the package. */
  async files(): Promise<readonly string[]> {
    const entries = await readdir(this.#root, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(this.#root, join(entry.parentPath, entry.name)))
      .filter((file) => !file.startsWith('node_modules'))
      .sort()
  }

  /** The compiled scripts and declarations. */
  async builtFiles(): Promise<readonly string[]> {
    return (await this.files()).filter((file) => file.startsWith('dist/'))
  }

  async text(file: string): Promise<string> {
    return await readFile(join(this.#root, file), 'utf8')
  }

  async manifest(): Promise<Manifest> {
    return JSON.parse(await this.text('package.json'))
  }

  /** Its entry points, as specifiers: `@scope/name`, `@scope/name/part`. */
  async entryPoints(): Promise<readonly string[]> {
    const names = Object.keys((await this.manifest()).exports ?? {}).filter((name) => name !== './package.json')
    return names.map((name) => this.name + name.slice(1))
  }

  /** Files that package.json refers to but the package lacks. */
  async missingExports(): Promise<readonly string[]> {
    const targets = Object.values((await this.manifest()).exports ?? {}).flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry),
    )
    return targets.filter((target) => !existsSync(join(this.#root, target)))
  }

  /** Declarations whose source has been renamed or deleted, and scripts that nothing imports. */
  async leftovers(): Promise<readonly string[]> {
    const files = await this.builtFiles()
    const scripts = files.filter((file) => file.endsWith('.js'))
    const declarations = files.filter((file) => !file.endsWith('.js'))
    const used = new Set(await this.#entryScripts())
    for (const script of used) {
      const local = importsIn(await this.text(script)).filter((specifier) => specifier.startsWith('.'))
      for (const specifier of local) used.add(join(dirname(script), specifier))
    }
    return [
      ...declarations.filter((file) => !existsSync(join(this.#source, sourceOf(file)))),
      ...scripts.filter((file) => !used.has(file)),
    ]
  }

  async #entryScripts(): Promise<readonly string[]> {
    const { exports = {}, bin = {} } = await this.manifest()
    const targets = [...Object.values(exports).flatMap((entry) => Object.values(entry)), ...Object.values(bin)]
    return targets.filter((target) => target.endsWith('.js')).map((target) => target.replace(/^\.\//, ''))
  }

  /** `<file> imports <specifier>` for each import that cannot be resolved after installation. */
  async unresolvableImports(): Promise<readonly string[]> {
    const { dependencies, peerDependencies } = await this.manifest()
    const declared = Object.keys({ ...dependencies, ...peerDependencies })
    const found: string[] = []
    for (const file of await this.builtFiles()) {
      const specifiers = importsIn(await this.text(file)).filter((specifier) =>
        specifier.startsWith('.') ? !this.#hasImported(file, specifier) : !isDeclared(specifier, declared),
      )
      found.push(...specifiers.map((specifier) => `${file} imports ${specifier}`))
    }
    return found
  }

  async unpackedBytes(): Promise<number> {
    const files = await this.files()
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(this.#root, file))).size))
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  /** Declarations import each other with `.ts`, as the sources do, and the compiler resolves that to `.d.ts`. */
  #hasImported(file: string, specifier: string): boolean {
    const target = file.endsWith('.d.ts') ? specifier.replace(/\.ts$/, '.d.ts') : specifier
    return existsSync(join(this.#root, file, '..', target))
  }
}

function sourceOf(builtFile: string): string {
  return builtFile.replace(/^dist/, 'src').replace(/\.d\.ts$/, '.ts')
}

/** The specifiers that a script or a declaration imports. */
export function importsIn(text: string): string[] {
  const imports = text.matchAll(/^(?:import|export)[^;]*? from ["']([^"']+)["']|\bimport(?:\(| )["']([^"']+)["']/gm)
  return [...imports].map(([, from, alone]) => (from ?? alone) as string)
}

export function isDeclared(specifier: string, declared: readonly string[]): boolean {
  return (
    specifier.startsWith('node:') || declared.some((name) => specifier === name || specifier.startsWith(`${name}/`))
  )
}
