import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

const packages = await readdir(join(repository, 'packages'))
const page = await readPage('docs/reference/compatibility.md')
const rows = new Map(
  [...page.matchAll(/^\| `([\w-]+)` +\| `(.+?)` +\| (.*?) *\|$/gm)].map(([, name, ...cells]) => [name, cells]),
)

it('has a row for every package, and no other', () => {
  expect([...rows.keys()].sort()).toEqual([...packages].sort())
})

it.each(packages)('says which Node and which frameworks %s works with, as its package.json does', async (name) => {
  const { engines, peerDependencies = {} } = JSON.parse(await readPage(`packages/${name}/package.json`))
  const foreign = Object.entries<string>(peerDependencies).filter(([peer]) => !peer.startsWith('@scrapenest-webhooks/'))
  const peers = foreign.map(([peer, range]) => `\`${peer}\` \`${range.replaceAll('|', '\\|')}\``)

  expect(rows.get(name)).toEqual([engines.node, peers.join(', ')])
})
