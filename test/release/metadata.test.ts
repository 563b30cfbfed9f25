import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pageUrl } from '@scrapenest-webhooks/core/adapter'
import { describe, expect, it } from 'vitest'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

/** The URL of the repository is defined only in core. */
const home = pageUrl('').replace(/\/blob\/main\/docs\/$/, '')

const packages = await readdir(join(repository, 'packages'))

describe('the package.json of', () => {
  it.each(packages)('%s has a repository, an author and a license', async (name) => {
    const manifest = JSON.parse(await readPage(`packages/${name}/package.json`))
    expect(home).toMatch(/^https:\/\/github\.com\/[\w-]+\/[\w-]+$/)
    expect(manifest).toMatchObject({
      name: `@scrapenest-webhooks/${name}`,
      license: 'MIT',
      author: 'The scrapenest-webhooks contributors',
      repository: { type: 'git', url: `git+${home}.git`, directory: `packages/${name}` },
      homepage: `${home}/tree/main/packages/${name}#readme`,
      bugs: `${home}/issues`,
    })
    expect(manifest.keywords).toEqual(expect.arrayContaining(['scrapenest', 'webhooks']))
    expect(manifest.description).toMatch(/\.$/)
  })
})
