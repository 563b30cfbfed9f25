import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type CodeBlock, isServer, repository } from '../docs/code-blocks.ts'
import { type RunningServer, startServer } from '../examples/running-server.ts'
import {
  findNode20,
  foreignEnvironment,
  installTarballs,
  packAll,
  runIn,
  temporaryFolder,
  versionOf,
} from './consumer.ts'
import { InstalledPackage } from './installed-package.ts'
import { oncePerRun } from './once-per-run.ts'
import { asCommonJs, readmeBlocks, readmeFetchHandler, readmeServer, withoutTopLevelAwait } from './readme.ts'

const minutes = 60_000

let folder: string
/** An application that has installed the tarballs with npm. */
let consumer: string
let packages: readonly InstalledPackage[]
let node20: string

beforeAll(async () => {
  folder = await temporaryFolder()
  consumer = join(folder, 'consumer')
  for (const name of ['consumer', 'node-20']) await mkdir(join(folder, name))
  const packed = await oncePerRun('packed', inject('runFolder'), packAll)
  await installTarballs(consumer, packed)
  packages = packed.map((one) => new InstalledPackage(one, consumer))
  node20 = await findNode20(join(folder, 'node-20'))
}, 5 * minutes)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** Package → faults, without packages that have none. */
async function faults(
  find: (one: InstalledPackage) => Promise<readonly string[]>,
): Promise<Record<string, readonly string[]>> {
  const entries = await Promise.all(packages.map(async (one) => [one.name, await find(one)] as const))
  return Object.fromEntries(entries.filter(([, found]) => found.length > 0))
}

describe('what npm publishes', () => {
  it('contains scripts, their types, a README and a license, and no tests, sources or build files', async () => {
    for (const one of packages) {
      const others = (await one.files()).filter((file) => !/^dist\/[\w/-]+\.(?:js|d\.ts)$/.test(file))
      expect({ [one.name]: others }).toEqual({ [one.name]: ['LICENSE', 'README.md', 'package.json'] })
      expect(await one.builtFiles(), one.name).not.toEqual([])
    }
  })

  it('contains no file whose source is gone (to fix it, delete the dist folder and rebuild)', async () => {
    expect(await faults((one) => one.leftovers())).toEqual({})
  })

  it('imports only its own files, Node, and what its package.json declares', async () => {
    expect(await faults((one) => one.unresolvableImports())).toEqual({})
  })

  it('references no source map, because none is published', async () => {
    for (const one of packages) {
      for (const file of await one.builtFiles()) expect(await one.text(file), file).not.toContain('sourceMappingURL')
    }
  })

  it('has a package.json without traces of the workspace, and every file it exports', async () => {
    for (const one of packages) {
      const traces = /workspace:|catalog:|@scrapenest-webhooks\/source|\.\/src\//
      expect(await one.text('package.json'), one.name).not.toMatch(traces)
    }
    expect(await faults((one) => one.missingExports())).toEqual({})
  })

  it('passes publint, including its suggestions', async () => {
    const lint = async ({ tarball }: InstalledPackage): Promise<readonly string[]> => {
      const bytes = new Uint8Array(await readFile(tarball))
      const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, strict: true })
      return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code)
    }
    expect(await faults(lint)).toEqual({})
  })

  it(
    'passes are-the-types-wrong for every kind of importer',
    async () => {
      const problemsOf = async (one: InstalledPackage): Promise<readonly string[]> => {
        if ((await one.entryPoints()).length === 0) return []
        const tarball = createPackageFromTarballData(new Uint8Array(await readFile(one.tarball)))
        const analysis = await checkPackage(tarball)
        if (analysis.types === false) return ['It has no types.']
        // CommonJS gets ES modules, which every supported Node can `require`.
        const problems = analysis.problems.filter(({ kind }) => kind !== 'CJSResolvesToESM')
        return problems.map((problem) => JSON.stringify(problem))
      }
      expect(await faults(problemsOf)).toEqual({})
    },
    2 * minutes,
  )

  it('takes less than 300 kB for fastify and core together', async () => {
    const sizes = await Promise.all(packages.map(async (one) => [one.name, await one.unpackedBytes()] as const))
    const bytes = new Map(sizes)
    const fastifyAndCore =
      (bytes.get('@scrapenest-webhooks/fastify') ?? Number.NaN) + (bytes.get('@scrapenest-webhooks/core') ?? Number.NaN)
    console.log('Unpacked bytes:', Object.fromEntries(bytes), 'fastify and core together:', fastifyAndCore)
    expect(fastifyAndCore).toBeLessThan(300_000)
  })
})

it('exports exactly the agreed names from each entry point', async () => {
  const entryPoints = (await Promise.all(packages.map((one) => one.entryPoints()))).flat()
  const script = `
    const names = {}
    for (const entryPoint of ${JSON.stringify(entryPoints)}) names[entryPoint] = Object.keys(await import(entryPoint)).sort()
    console.log(JSON.stringify(names))`
  const printed = JSON.parse(await runIn(consumer, process.execPath, ['--input-type=module', '--eval', script]))
  expect(Object.keys(printed)).toContain('@scrapenest-webhooks/core/fetch')
  for (const entryPoint of entryPoints) expect(printed[entryPoint]).toMatchSnapshot(entryPoint)
})

it('throws errors of the same class from every entry point', async () => {
  const script = `
    const { ConfigurationError } = await import('@scrapenest-webhooks/core')
    const { checkPath } = await import('@scrapenest-webhooks/core/adapter')
    const { scrapenestWebhooks } = await import('@scrapenest-webhooks/core/fetch')
    for (const provoke of [() => checkPath('hooks'), () => scrapenestWebhooks({ path: 'hooks' })]) {
      try { provoke() } catch (error) { console.log(error instanceof ConfigurationError) }
    }`
  expect(await runIn(consumer, process.execPath, ['--input-type=module', '--eval', script])).toBe('true\ntrue\n')
})

describe('an import in a new process', () => {
  // What cost most before (docs/decisions/0028-import-time.md). `pnpm bench --only startup` measures the time.
  it.each([
    { entryPoint: 'core', lazy: ['NativeModule net', 'NativeModule internal/worker'] },
    { entryPoint: 'core/fetch', lazy: ['NativeModule net', 'NativeModule internal/worker'] },
    { entryPoint: 'node', lazy: ['NativeModule internal/deps/undici/undici', 'raw-body'] },
    { entryPoint: 'koa', lazy: ['NativeModule internal/deps/undici/undici', 'raw-body'] },
  ])('of $entryPoint loads none of $lazy', async ({ entryPoint, lazy }) => {
    const script = `
      const { createRequire } = await import('node:module')
      const before = new Set(process.moduleLoadList)
      await import('@scrapenest-webhooks/${entryPoint}')
      const builtIn = process.moduleLoadList.filter((name) => !before.has(name))
      const installed = Object.keys(createRequire('${consumer}/').cache).map((path) => path.split('/node_modules/').at(-1).split('/')[0])
      console.log(JSON.stringify([...builtIn, ...installed]))`
    const loaded = JSON.parse(await runIn(consumer, process.execPath, ['--input-type=module', '--eval', script]))
    expect(loaded).toContain('NativeModule crypto')
    expect(loaded.filter((name: string) => lazy.includes(name))).toEqual([])
  })

  it('names the Node that is needed, on one that is too old', async () => {
    const names = packages.map(({ name }) => name).filter((name) => !name.endsWith('/cli'))
    // What sets Node 18 apart here.
    const script = `
      delete process.getBuiltinModule
      for (const name of ${JSON.stringify(names)}) await import(name).catch(({ message }) => console.log(message))`
    const messages = await runIn(consumer, process.execPath, ['--input-type=module', '--eval', script])
    const expected = '@scrapenest-webhooks/core needs Node.js >=20.19, and this is v24.'
    expect(messages.trim().split('\n')).toEqual(names.map(() => expect.stringContaining(expected)))
  })
})

it(
  'the README compiles with the published types, as ES modules and as CommonJS',
  async () => {
    const sources = join(consumer, 'types')
    await mkdir(sources)
    const blocks = (await readmeBlocks()).filter(isInstalled)
    expect(blocks.filter(isServer).length).toBeGreaterThanOrEqual(4)
    for (const [index, { code }] of blocks.entries()) {
      await writeFile(join(sources, `block-${index}.mts`), code)
      if (!code.includes('= await ')) await writeFile(join(sources, `block-${index}.cts`), withoutTopLevelAwait(code))
    }
    await writeFile(
      join(sources, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'es2023',
          module: 'nodenext',
          types: ['node'],
          strict: true,
          exactOptionalPropertyTypes: true,
          // npm installs a content-disposition that @types/koa is incompatible with. test/types-packed checks our declarations.
          skipLibCheck: true,
          noEmit: true,
        },
      }),
    )
    await runIn(sources, process.execPath, [join(repository, 'node_modules/typescript/bin/tsc'), '-p', '.'])
  },
  2 * minutes,
)

describe.each([
  { major: 20, node: () => node20 },
  { major: 24, node: () => process.execPath },
])('the README on Node $major, with the packages installed by npm', ({ major, node }) => {
  it('runs on that version', async () => {
    expect(await versionOf(node())).toMatch(new RegExp(`^v${major}\\.`))
  })

  describe.each([
    { form: 'import', extension: 'mjs', write: (code: string) => code },
    { form: 'require', extension: 'cjs', write: asCommonJs },
  ])('with $form', ({ extension, write }) => {
    it.each(['fastify', 'koa', 'express', 'node'])(
      '%s accepts a signed delivery and rejects a forged one',
      async (name) => {
        const program = write(await readmeServer(name))
        const file = join(consumer, `${name}-${major}.${extension}`)
        const secret = generateSecret()
        const server = await startServer(async (port) => {
          await writeFile(file, program.replaceAll('3000', String(port)))
          const environment = { ...foreignEnvironment(), SCRAPENEST_WEBHOOK_SECRET: secret }
          return { program: node(), arguments: [file], workingDirectory: consumer, environment }
        })
        try {
          await expectDeliveries(server, secret)
        } finally {
          await server.stop()
        }
      },
    )

    it('a fetch handler accepts what the installed testing package signed', async () => {
      const file = join(consumer, `fetch-${major}.${extension}`)
      await writeFile(file, write(await readmeFetchHandler()))
      const printed = await runIn(consumer, node(), [file], { SCRAPENEST_WEBHOOK_SECRET: generateSecret() })
      expect(printed).toMatch(/^Job [0-9a-f-]+ has succeeded\n202 \{"status":"accepted"\}\n$/)
    })
  })
})

async function expectDeliveries(server: RunningServer, secret: string): Promise<void> {
  const endpoint = `${server.url}/webhooks/scrapenest`
  const event = createEvent('artifact.ready')
  const accepted = await deliver(endpoint, signDelivery(event, { secret }))
  expect([accepted.status, accepted.reply]).toEqual([202, { status: 'accepted' }])
  await server.printed(`The html of job ${event.data.job_id} is ready`)

  const forged = await deliver(endpoint, signDelivery(createEvent('artifact.ready'), { secret: generateSecret() }))
  expect([forged.status, forged.reply]).toEqual([400, { error: 'signature_mismatch' }])
}

/** Whether the consumer has everything that a block needs. test/docs compiles the others. */
function isInstalled({ code }: CodeBlock): boolean {
  const specifiers = [...code.matchAll(/from '([^']+)'/g)].map(([, specifier]) => specifier as string)
  const hasAll = specifiers.every((specifier) =>
    /^(?:node:|fastify$|koa$|express$|@scrapenest-webhooks\/)/.test(specifier),
  )
  return hasAll && !/\b(?:save|warn|findSecrets)\(/.test(code)
}
