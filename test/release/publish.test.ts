import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkTag, dependenciesFirst, type Manifest } from '../../scripts/publish.ts'
import { startOf } from '../../scripts/start.ts'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

describe('the order in which packages are published', () => {
  it('has each package after those it depends on, so that an interrupted release can be installed', async () => {
    const names = await readdir(join(repository, 'packages'))
    const manifests = await Promise.all(
      names.map(async (name): Promise<Manifest> => JSON.parse(await readPage(`packages/${name}/package.json`))),
    )
    const ordered = dependenciesFirst(manifests)
    const published = new Set<string>()
    for (const { name, dependencies, peerDependencies } of ordered) {
      const ours = Object.keys({ ...dependencies, ...peerDependencies }).filter((other) =>
        other.startsWith('@scrapenest'),
      )
      expect([name, ours.filter((other) => !published.has(other))]).toEqual([name, []])
      published.add(name)
    }
    expect(published.size).toBe(names.length)
  })
})

describe('the tag of a version', () => {
  it('is latest for a release, and another for a canary', () => {
    expect(() => checkTag('1.2.0', 'latest')).not.toThrow()
    expect(() => checkTag('0.0.0-canary-1a2b', 'canary')).not.toThrow()
  })

  it('is not canary for a release, which could then never become latest', () => {
    expect(() => checkTag('1.2.0', 'canary')).toThrow('1.2.0 cannot be published under the tag canary.')
  })

  it('is not latest for a canary, which everyone would then install', () => {
    expect(() => checkTag('0.0.0-canary-1a2b', 'latest')).toThrow(/cannot be published under the tag latest/)
  })
})

describe('starting npm and npx', () => {
  it.each(['npm', 'npx'])('runs %s in a shell on Windows, with every parameter in quotes', (program) => {
    expect(startOf(program, ['publish', 'C:\\Users\\A B\\core.tgz', 'koa@^3.0.0'], 'win32')).toEqual({
      program,
      parameters: ['"publish"', '"C:\\Users\\A B\\core.tgz"', '"koa@^3.0.0"'],
      shell: true,
    })
  })

  it('needs no shell for other programs, and none elsewhere', () => {
    expect(startOf('git', ['status'], 'win32').shell).toBe(false)
    expect(startOf('npm', ['view', 'a b'], 'linux')).toEqual({
      program: 'npm',
      parameters: ['view', 'a b'],
      shell: false,
    })
  })
})
