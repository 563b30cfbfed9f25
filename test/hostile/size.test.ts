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

/** The gate. Why it is not the aim: docs/decisions/0005-size-of-core.md */
const ceilingBytes = 11_600
const aimBytes = 9000

it.each(['createReceiver', 'verify'])('prints what %s needs alone', async (name) => {
  const entry = `export { ${name} } from ${JSON.stringify(source('core/src/index.ts'))}`
  const bytes = gzipSync(await minified({ contents: entry, resolveDir: source('core') }, []), { level: 9 }).byteLength
  console.log(`${name} alone: ${bytes} bytes gzipped`)
  expect(bytes).toBeLessThan(ceilingBytes)
})

// When this begins to pass, vitest says so: then `it.fails` becomes `it`, and the ceiling can go.
it.fails('core, everything it exports, is at most 9 kB minified and gzipped', async () => {
  expect(gzipSync(await minified('core/src/index.ts', []), { level: 9 }).byteLength).toBeLessThanOrEqual(aimBytes)
})

it('core, everything it exports, does not grow beyond its ceiling, and needs nothing but Node', async () => {
  const code = await minified('core/src/index.ts', [])
  const bytes = gzipSync(code, { level: 9 }).byteLength
  console.log(`core: ${code.byteLength} bytes minified, ${bytes} gzipped`)
  expect(bytes).toBeLessThanOrEqual(ceilingBytes)
  const imports = [...code.toString().matchAll(/from\s*"([^"]+)"/g)].map(([, specifier]) => specifier)
  expect(imports.filter((specifier) => !specifier?.startsWith('node:'))).toEqual([])
})

it('the Fastify adapter adds little to core, its one dependency aside', async () => {
  const code = await minified('fastify/src/index.ts', ['fastify', 'fastify-plugin'])
  const bytes = gzipSync(code, { level: 9 }).byteLength
  console.log(`fastify with core: ${code.byteLength} bytes minified, ${bytes} gzipped`)
  expect(bytes).toBeLessThanOrEqual(ceilingBytes + 800)
})
