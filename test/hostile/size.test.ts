import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type StdinOptions } from 'esbuild'
import { expect, it } from 'vitest'

const source = (file: string): string => fileURLToPath(new URL(`../../packages/${file}`, import.meta.url))

async function minified(entry: string | StdinOptions, external: readonly string[]): Promise<Buffer> {
  const { outputFiles } = await build({
    ...(typeof entry === 'string' ? { entryPoints: [source(entry)] } : { stdin: entry }),
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['node:*', ...external],
    conditions: ['@scrapenest-webhooks/source'],
    legalComments: 'none',
  })
  return Buffer.from(outputFiles[0]?.contents ?? [])
}

const gzippedBytes = (code: Buffer): number => gzipSync(code, { level: 9 }).byteLength

/** docs/decisions/0007-core-within-9-kb.md */
const coreBytes = 9000
/** What adapters and fetch-style servers import of core besides. */
const entriesBytes = 10_200

it('core, everything that its main entry exports, is at most 9 kB minified and gzipped, and needs nothing but Node', async () => {
  const code = await minified('core/src/index.ts', [])
  console.log(`core: ${code.byteLength} bytes minified, ${gzippedBytes(code)} gzipped`)
  expect(gzippedBytes(code)).toBeLessThanOrEqual(coreBytes)
  const imports = [...code.toString().matchAll(/from\s*"([^"]+)"/g)].map(([, specifier]) => specifier)
  expect(imports.filter((specifier) => !specifier?.startsWith('node:'))).toEqual([])
})

it.each(['createReceiver', 'verify', 'sign'])('prints what %s needs alone', async (name) => {
  const entry = `export { ${name} } from ${JSON.stringify(source('core/src/index.ts'))}`
  const bytes = gzippedBytes(await minified({ contents: entry, resolveDir: source('core') }, []))
  console.log(`${name} alone: ${bytes} bytes gzipped`)
  expect(bytes).toBeLessThan(coreBytes)
})

it('core with all of its entries, which no program imports together, is at most 10.2 kB', async () => {
  const entries = ['index', 'adapter', 'fetch', 'node-stream'].map((name) => source(`core/src/${name}.ts`))
  const contents = entries.map((entry) => `export * from ${JSON.stringify(entry)}`).join('\n')
  const bytes = gzippedBytes(await minified({ contents, resolveDir: source('core') }, []))
  console.log(`core, every entry: ${bytes} bytes gzipped`)
  expect(bytes).toBeLessThanOrEqual(entriesBytes)
})

it('the Fastify adapter with all that it needs of core is hardly larger, its one dependency aside', async () => {
  const code = await minified('fastify/src/index.ts', ['fastify', 'fastify-plugin'])
  console.log(`fastify with core: ${code.byteLength} bytes minified, ${gzippedBytes(code)} gzipped`)
  expect(gzippedBytes(code)).toBeLessThanOrEqual(entriesBytes)
})
