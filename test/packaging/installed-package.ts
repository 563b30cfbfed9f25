import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { PackedPackage } from './consumer.ts'

/** The fields of a published package.json that are looked at. */
interface Manifest {
  /** A package that is only a command has none. */
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** A package as npm laid it out in a user's node_modules. */
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

  /** The scripts and declarations that the compiler made. */
  async builtFiles(): Promise<readonly string[]> {
    return (await this.files()).filter((file) => file.startsWith('dist/'))
  }

  async text(file: string): Promise<string> {
    return await readFile(join(this.#root, file), 'utf8')
  }

  async manifest(): Promise<Manifest> {
    return JSON.parse(await this.text('package.json'))
  }

  /** The specifiers of its entry points: `@scope/name`, `@scope/name/part`. */
  async entryPoints(): Promise<readonly string[]> {
    const names = Object.keys((await this.manifest()).exports ?? {}).filter((name) => name !== './package.json')
    return names.map((name) => this.name + name.slice(1))
  }

  /** Files that package.json promises and the package does not have. */
  async missingExports(): Promise<readonly string[]> {
    const targets = Object.values((await this.manifest()).exports ?? {}).flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry),
    )
    return targets.filter((target) => !existsSync(join(this.#root, target)))
  }

  /** Built files whose source was renamed or deleted since. */
  async leftovers(): Promise<readonly string[]> {
    const files = await this.builtFiles()
    return files.filter((file) => !existsSync(join(this.#source, sourceOf(file))))
  }

  /** `<file> imports <specifier>` for each import that a user's machine cannot resolve. */
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

  /** A declaration names its neighbours as the sources do, with `.ts`, and the compiler looks for `.d.ts`. */
  #hasImported(file: string, specifier: string): boolean {
    const target = file.endsWith('.d.ts') ? specifier.replace(/\.ts$/, '.d.ts') : specifier
    return existsSync(join(this.#root, file, '..', target))
  }
}

function sourceOf(builtFile: string): string {
  return builtFile.replace(/^dist/, 'src').replace(/(?:\.d\.ts|\.js)$/, '.ts')
}

/** The specifiers that a script or a declaration imports. */
export function importsIn(text: string): string[] {
  const imports = text.matchAll(/^(?:import|export)[^;]*? from ["']([^"']+)["']|\bimport\(["']([^"']+)["']\)/gm)
  return [...imports].map(([, from, dynamic]) => (from ?? dynamic) as string)
}

export function isDeclared(specifier: string, declared: readonly string[]): boolean {
  return (
    specifier.startsWith('node:') || declared.some((name) => specifier === name || specifier.startsWith(`${name}/`))
  )
}
