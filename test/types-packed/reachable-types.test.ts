import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { repository } from '../docs/code-blocks.ts'
import { packAll, temporaryFolder } from '../packaging/consumer.ts'
import { oncePerRun } from '../packaging/once-per-run.ts'
import { type EntryPoint, findUnexportedTypes } from './reachable-types.ts'

const packages = join(repository, 'packages')

// Packing also builds the declarations.
beforeAll(() => oncePerRun('packed', inject('runFolder'), packAll), 120_000)

interface Manifest {
  readonly name: string
  readonly exports?: Readonly<Record<string, string | { readonly types: string }>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

async function ourEntryPoints(): Promise<readonly EntryPoint[]> {
  const folders = (await readdir(packages)).map((name) => join(packages, name))
  const entries = await Promise.all(
    folders.map(async (folder) => {
      const manifest: Manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
      const points = Object.entries(manifest.exports ?? {}).flatMap(([path, target]) =>
        typeof target === 'string' ? [] : [{ name: manifest.name + path.slice(1), file: join(folder, target.types) }],
      )
      return { manifest, points }
    }),
  )
  return entries.flatMap(({ manifest, points }) => {
    const names = Object.keys(manifest.peerDependencies ?? {})
    const peers = entries.filter((one) => names.includes(one.manifest.name)).flatMap((one) => one.points)
    return points.map((point) => ({ ...point, peers }))
  })
}

describe('the types that public signatures reach', () => {
  it('are all exported, by every entry point', async () => {
    const entryPoints = await ourEntryPoints()
    expect(entryPoints.map(({ name }) => name)).toContain('@scrapenest-webhooks/core/fetch')
    expect(findUnexportedTypes(packages, entryPoints)).toEqual([])
  }, 60_000)

  it('are found wherever they are named', async () => {
    const signatures = {
      'a parameter': 'export declare function read(options: Hidden): void',
      'a property of a returned type': 'export interface Reader { readonly options: Hidden }',
      'a base': 'export interface Reader extends Hidden {}',
      'what an alias stands for': "type Alias = { of: Hidden }\nexport type Reader = Alias['of']",
      'a constructor': 'export declare class Reader { constructor(options: Hidden) }',
    }
    expect(await unexportedIn(signatures)).toEqual(
      Object.keys(signatures).map((place) => expect.stringContaining(`${place}: Hidden (`)),
    )
  })

  it('may be private, exported as well, or parameters', async () => {
    const signatures = {
      private: 'export declare class Reader { private readonly options: Hidden }',
      exported: 'export declare function read(options: Hidden): void\nexport type { Hidden }',
      parameter: 'export declare function read<Options>(options: Options): void',
    }
    expect(await unexportedIn(signatures)).toEqual([])
  })
})

/** @param signatures a file each, by what it shows. */
async function unexportedIn(signatures: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const folder = await temporaryFolder()
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const entryPoints = await Promise.all(
    Object.entries(signatures).map(async ([name, signature], index) => {
      const file = join(folder, `entry-${index}.d.ts`)
      await writeFile(file, `interface Hidden { readonly path: string }\n${signature}\nexport {}\n`)
      return { name, file }
    }),
  )
  return findUnexportedTypes(folder, entryPoints)
}
