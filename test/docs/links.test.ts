import { existsSync } from 'node:fs'
import { glob, readdir } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { pageUrl } from '@scrapenest-webhooks/core/adapter'
import { expect, it } from 'vitest'
import { repository } from './code-blocks.ts'
import { allPages, readPage } from './pages.ts'

const pages = await allPages()

/** Where the repository's files are on the web. */
const filesUrl = pageUrl('').replace(/docs\/$/, '')

it.each(pages)('every link of %s has a target', async (page) => {
  const broken: string[] = []
  for (const link of linksOf(await readPage(page))) {
    if (/^https?:/.test(link) && !link.startsWith(filesUrl)) continue
    const [target, anchor] = targetOf(link, page)
    const isThere = target !== '' && !target.startsWith('..') && existsSync(join(repository, target))
    if (!isThere || (anchor !== undefined && !(await anchorsOf(target)).includes(anchor))) broken.push(link)
  }
  expect(broken).toEqual([])
})

it.each(pages.filter((page) => page.startsWith('packages/')))(
  '%s links only to what its tarball has, and to URLs',
  async (page) => {
    const links = linksOf(await readPage(page)).filter((link) => !/^(?:https:|#|LICENSE$)/.test(link))
    expect(links).toEqual([])
  },
)

it('every page of docs can be reached from the README', async () => {
  const reached = new Set(['README.md'])
  for (const page of reached) {
    for (const link of linksOf(await readPage(page))) {
      const [target] = targetOf(link, page)
      if (pages.includes(target)) reached.add(target)
    }
  }
  expect(pages.filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([])
})

it('the README begins with a table of contents', async () => {
  const readme = await readPage('README.md')
  const [beforeSections = ''] = readme.split('\n## ', 1)
  const sections = (await anchorsOf('README.md')).slice(1)
  expect(sections.length).toBeGreaterThan(5)
  expect(linksOf(beforeSections).filter((link) => link.startsWith('#'))).toEqual(sections.map((anchor) => `#${anchor}`))
})

it('docs/performance.md shows every chart', async () => {
  const shown = linksOf(await readPage('docs/performance.md')).filter((link) => link.startsWith('charts/'))
  expect(shown.map((link) => basename(link)).sort()).toEqual((await readdir(join(repository, 'docs/charts'))).sort())
})

it('every page that the code mentions exists', async () => {
  const missing: string[] = []
  const patterns = ['packages/*/{src,test}/**/*.ts', '{test,bench,examples}/**/*.ts']
  for await (const file of glob(patterns, { cwd: repository, exclude: (name) => name === 'node_modules' })) {
    const named = (await readPage(file)).matchAll(/(?<!\/)\bdocs\/[\w/-]+(?:\.(?:md|svg))?/g)
    for (const [path] of named) if (!isPage(path)) missing.push(`${file} names ${path}`)
  }
  expect(missing).toEqual([])
})

/** Accepts a page without its title, such as docs/decisions/0004. */
function isPage(path: string): boolean {
  return existsSync(join(repository, path)) || pages.some((page) => page.startsWith(`${path}-`))
}

/** The file of this repository that a link leads to, and the heading in it. The web has every file at its path. */
function targetOf(link: string, page: string): readonly [target: string, anchor: string | undefined] {
  const [path = '', anchor] = link.split('#')
  if (path.startsWith(filesUrl)) return [path.slice(filesUrl.length), anchor]
  return [path === '' ? page : relative(repository, join(repository, dirname(page), path)), anchor]
}

function linksOf(markdown: string): readonly string[] {
  const text = markdown.replaceAll(/^```[\s\S]*?^```/gm, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string)
}

/** Derived from headings as common renderers do. */
async function anchorsOf(page: string): Promise<readonly string[]> {
  const headings = (await readPage(page)).matchAll(/^#+ (.+)$/gm)
  return [...headings].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number} -]/gu, '')
      .replaceAll(' ', '-'),
  )
}
