import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { repository } from './code-blocks.ts'
import { readPage } from './pages.ts'

const page = await readPage('SECURITY.md')

function sectionOf(heading: string): string {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  return section.split('\n## ')[0] as string
}

/** The list items and the first cells of table rows, without emphasis. */
function statementsOf(heading: string): readonly string[] {
  const section = sectionOf(heading).replaceAll('**', '')
  const items = [...section.matchAll(/^(?:- |\d+\. )(.+)$/gm)]
  const cells = [...section.matchAll(/^\| +(?!-)(.+?) +\|/gm)].slice(1)
  return [...items, ...cells].map(([, text = '']) => text)
}

/** Every statement in these sections is a promise. In the others, only some are. */
const promises = [
  'What is checked',
  'What attackers are assumed to try',
  'What the limits mean',
  'What strangers can trigger',
  'What is kept secret',
].flatMap(statementsOf)
const assumptions = ['What is trusted', 'What remains your responsibility'].flatMap(statementsOf)

const rows = [
  ...sectionOf('The tests behind these statements').matchAll(/^\| (.+?) +\| \[.+?\]\((.+?)\), "(.+)" +\|$/gm),
]
const tests = rows.map(([, statement = '', file = '', title = '']) => ({ statement, file, title }))

it('every promise of SECURITY.md names a test', () => {
  expect(promises.length).toBeGreaterThan(30)
  const unproven = promises.filter((promise) => !tests.some(({ statement }) => promise.startsWith(statement)))
  expect(unproven).toEqual([])
})

it.each(tests)('$statement: $file has the test "$title"', async ({ statement, file, title }) => {
  expect([...promises, ...assumptions].filter((text) => text.startsWith(statement))).toHaveLength(1)
  const source = await readFile(join(repository, file), 'utf8')
  expect(source).toMatch(/\.test\.ts$/.test(file) ? /\b(?:it|describe)\b/ : /\bname: /)
  expect(["'", '`', '"'].some((quote) => source.includes(`${quote}${title}${quote}`))).toBe(true)
})
