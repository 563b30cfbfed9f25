import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { foreignEnvironment } from '../packaging/consumer.ts'
import { importsIn, isDeclared } from '../packaging/installed-package.ts'
import {
  application,
  type Consumer,
  type Consumers,
  type ModuleSetting,
  moduleSettings,
  thirdParty,
} from './consumers.ts'

export interface Compiler {
  readonly version: string
  readonly program: string
}

/** Oldest first. */
export const compilers: readonly Compiler[] = ['typescript-5.7', 'typescript-5.9', 'typescript-6', 'typescript'].map(
  (name) => {
    const require = createRequire(import.meta.url)
    const manifest = require.resolve(`${name}/package.json`)
    return { version: require(manifest).version, program: join(dirname(manifest), 'bin/tsc') }
  },
)

/** Every option that makes the compiler stricter and still allows inferred types of exports. */
const strictOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noFallthroughCasesInSwitch: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noPropertyAccessFromIndexSignature: true,
  noUncheckedIndexedAccess: true,
  noUncheckedSideEffectImports: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  allowUnreachableCode: false,
  allowUnusedLabels: false,
  isolatedModules: true,
}

const otherOptions = {
  target: 'es2022',
  lib: ['es2022'],
  types: ['node'],
  allowJs: true,
  checkJs: true,
  esModuleInterop: true,
  declaration: true,
  emitDeclarationOnly: true,
  rootDir: '.',
}

export interface Diagnostic {
  /** `file(line,column)`, relative to the consumers. Absent if it belongs to no file. */
  readonly location?: string | undefined
  readonly text: string
}

export interface Outcome {
  /** How many projects were compiled. */
  readonly projects: number
  readonly failures: readonly Diagnostic[]
  /** Diagnostics in third-party declarations that also occur without ours. */
  readonly independent: readonly Diagnostic[]
}

/** Compiles third-party declarations alone, then every project that imports ours. */
export async function compileAll(
  compiler: Compiler,
  setting: ModuleSetting,
  { folder, all, entryPoints }: Consumers,
): Promise<Outcome> {
  const build = new Build(compiler, setting, folder)
  const known = new Set((await build.run(all.filter(({ name }) => name === thirdParty))).map(identityOf))
  const projects = all.filter(({ name }) => name !== thirdParty)
  const found = await build.run(projects)
  const isKnown = (one: Diagnostic): boolean => isThirdParty(one) && known.has(identityOf(one))
  const failures = found.filter((one) => !isKnown(one))
  return {
    projects: projects.length,
    failures: [...failures, ...(await build.unreachableImports(projects, entryPoints))],
    independent: found.filter(isKnown),
  }
}

/** One compiler with one module setting. */
export class Build {
  readonly #compiler: Compiler
  readonly #setting: ModuleSetting
  readonly #folder: string

  constructor(compiler: Compiler, setting: ModuleSetting, folder: string) {
    this.#compiler = compiler
    this.#setting = setting
    this.#folder = folder
  }

  /** Compiles projects in one process, so that each declaration file is parsed once. */
  async run(consumers: readonly Consumer[]): Promise<readonly Diagnostic[]> {
    const projects = await Promise.all(consumers.map((consumer) => this.#configure(consumer)))
    const { code, printed } = await this.#compile(['-b', '--pretty', 'false', ...projects])
    // Continuation lines of a message are indented.
    const errors = printed.matchAll(/^(?:(\S.*\(\d+,\d+\)): )?error (TS\d+: .*(?:\n[ \t]+.*)*)/gm)
    const diagnostics = [...errors].map(([, location, text = '']) => ({ location, text }))
    if (code !== 0 && diagnostics.length === 0) throw new Error(`TypeScript ${this.#compiler.version}:\n${printed}`)
    return diagnostics
  }

  /** Imports in emitted declarations that their project does not declare, or that our packages do not export. */
  async unreachableImports(
    consumers: readonly Consumer[],
    entryPoints: readonly string[],
  ): Promise<readonly Diagnostic[]> {
    const found: Diagnostic[] = []
    for (const { name, folder, dependencies } of consumers) {
      const output = join(folder, this.#output)
      for (const file of (await readdir(output)).filter((one) => one.endsWith('.d.ts'))) {
        const specifiers = new Set(importsIn(await readFile(join(output, file), 'utf8')))
        for (const specifier of specifiers) {
          if (isReachable(specifier, dependencies, entryPoints)) continue
          found.push({ location: `${name}/${file}`, text: `The emitted declaration imports ${specifier}.` })
        }
      }
    }
    return found
  }

  /** The module resolution that the compiler implies, such as `Node10`. Absent if the setting names one. */
  async impliedResolution({ folder, sources: [source = ''] }: Consumer): Promise<string | undefined> {
    const { sources, options } = moduleSettings[this.#setting]
    if (options.module !== 'commonjs') return undefined
    const file = join(folder, sources, source)
    const { printed } = await this.#compile(['--module', options.module, '--noEmit', '--traceResolution', file])
    return /Module resolution kind is not specified, using '(\w+)'/.exec(printed)?.[1]
  }

  /** @returns the path of the project's configuration. */
  async #configure({ name, folder, sources }: Consumer): Promise<string> {
    const { sources: directory, options } = moduleSettings[this.#setting]
    const project = join(folder, directory, `tsconfig.${this.#slug}.json`)
    // The application reads the same declaration files as the other projects. Checking them once saves half the time.
    const skipLibCheck = name !== application && name !== thirdParty
    const compilerOptions = {
      ...strictOptions,
      ...otherOptions,
      ...options,
      skipLibCheck,
      outDir: join(folder, this.#output),
    }
    await writeFile(project, JSON.stringify({ compilerOptions, files: sources }))
    return project
  }

  async #compile(options: readonly string[]): Promise<{ readonly code: unknown; readonly printed: string }> {
    return await new Promise((resolve) => {
      execFile(
        process.execPath,
        [this.#compiler.program, ...options],
        { cwd: this.#folder, env: foreignEnvironment(), maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => resolve({ code: error?.code ?? error?.signal ?? 0, printed: stdout + stderr }),
      )
    })
  }

  get #slug(): string {
    return `${this.#compiler.version}-${this.#setting.replaceAll(/\W+/g, '-')}`
  }

  get #output(): string {
    return `out/${this.#slug}`
  }
}

/** Whether the diagnostic is in a third-party package. */
export function isThirdParty({ location = '' }: Diagnostic): boolean {
  const [, ...packages] = location.split('node_modules/')
  return packages.length > 0 && !packages.at(-1)?.startsWith('@scrapenest-webhooks/')
}

function isReachable(specifier: string, dependencies: readonly string[], entryPoints: readonly string[]): boolean {
  if (specifier.startsWith('@scrapenest-webhooks/') && !entryPoints.includes(specifier)) return false
  if (specifier.includes('node_modules')) return false
  return specifier.startsWith('.') || isBuiltin(specifier) || isDeclared(specifier, dependencies)
}

function identityOf({ location, text }: Diagnostic): string {
  return `${location} ${text.split(':', 1)[0]}`
}
