import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type BuildOptions, build, type Metafile } from 'esbuild'
import { expect, it } from 'vitest'

// Sizes are printed, not bounded: a bound makes the next error message break the build
// (docs/decisions/0011-size-is-printed.md).

const source = (file: string): string => fileURLToPath(new URL(`../../packages/${file}`, import.meta.url))

async function bundle(input: Pick<BuildOptions, 'entryPoints' | 'stdin' | 'external'>): Promise<{
  readonly code: Uint8Array
  readonly metafile: Metafile
}> {
  const { outputFiles, metafile } = await build({
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['@scrapenest-webhooks/source'],
    legalComments: 'none',
    ...input,
  })
  return { code: outputFiles[0]?.contents as Uint8Array, metafile }
}

function print(what: string, code: Uint8Array): void {
  console.log(`${what}: ${code.byteLength} bytes minified, ${gzipSync(code, { level: 9 }).byteLength} gzipped`)
}

/** What the files of a bundle import, except one another. */
function importsFromOutside({ inputs }: Metafile): readonly string[] {
  const all = Object.values(inputs).flatMap(({ imports }) => imports)
  return [...new Set(all.filter(({ external }) => external === true).map(({ path }) => path))].sort()
}

it.each(['index', 'adapter', 'fetch'])('core/%s imports node: built-ins and nothing else', async (entry) => {
  const { code, metafile } = await bundle({ entryPoints: [source(`core/src/${entry}.ts`)] })
  print(`core/${entry}`, code)
  const files = Object.keys(metafile.inputs)
  expect(files.length).toBeGreaterThan(5)
  expect(files.filter((file) => !file.includes('packages/core/src/'))).toEqual([])
  const imports = importsFromOutside(metafile)
  expect(imports).toContain('node:crypto')
  expect(imports.filter((name) => !name.startsWith('node:'))).toEqual([])
})

it.each(['createReceiver', 'verify', 'sign'])('prints the size of %s alone', async (name) => {
  const contents = `export { ${name} } from ${JSON.stringify(source('core/src/index.ts'))}`
  const { code } = await bundle({ stdin: { contents, resolveDir: source('core') } })
  print(`${name} alone`, code)
  expect(code.byteLength).toBeGreaterThan(0)
})

it.each<[string, readonly string[]]>([
  ['node', ['raw-body']],
  ['express', ['raw-body']],
  ['koa', ['raw-body']],
  ['fastify', ['fastify-plugin', 'raw-body']],
])('the %s adapter imports nothing but its declared dependencies', async (adapter, dependencies) => {
  const external = ['express', 'fastify', 'fastify-plugin', 'koa', 'raw-body']
  const { code, metafile } = await bundle({ entryPoints: [source(`${adapter}/src/index.ts`)], external })
  print(`${adapter} with core, without its dependencies`, code)
  expect(importsFromOutside(metafile).filter((name) => !name.startsWith('node:'))).toEqual(dependencies)
})
