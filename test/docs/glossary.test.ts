import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Acknowledgement, createReceiver, generateSecret } from '@scrapenest-webhooks/core'
import { describe, expect, it } from 'vitest'
import { repository } from './code-blocks.ts'
import { allPages, readPage } from './pages.ts'

/** Words that need no definition: third-party names, wire names and plain English. */
const plainWords = new Set(
  `after any artifact check close closing completed configuration create created data default error fact failed
  fetch find found generate handling id identity is job known large later limit logger memory mismatch ms not number of option optional or
  output page path permanent read request resolve resolver result scoped scrapenest second sign standard succeeded text too type unknown unlisted url verify web
  webhook whole with`.split(/\s+/),
)

/** Former name → current name. */
const retiredNames: Readonly<Record<string, string>> = {
  adaptedReceiver: 'resolveReceiver',
  deliveryId: 'messageId',
  InboxUser: 'InboxConsumer',
  processLogger: 'defaultLogger',
  Reception: 'OpenDelivery',
  selfStartingReceiver: 'resolveReceiver',
}

/** Nicknames as parts of identifiers: `bedOf`, `HandleOnce`, `#tales`. `once(` and `once:` belong to event emitters. */
const nicknames =
  /\b(?:bed|tales?|play)(?:[A-Z]\w*)?\b|[a-z](?:Bed|Tales?|Play|Once)(?![a-z])|\bOnce|\bonce(?!\s*[(:])|\btell|\btold/

const packagesInPlainEnglish = [
  'core',
  'node',
  'fastify',
  'koa',
  'express',
  'inbox',
  'inbox-bullmq',
  'inbox-pg-boss',
  'client',
  'simulator',
  'cli',
  'testing',
]

interface Term {
  readonly term: string
  readonly meaning: string
  /** Its names in code: exports, options, and members as `Type.member`. */
  readonly inCode: readonly string[]
}

const glossary = await readPage('docs/glossary.md')
const terms: readonly Term[] = [...glossary.matchAll(/^\| \*\*(.+?)\*\* +\| (.+?) +\| (.+?) +\|$/gm)].map(
  ([, term = '', meaning = '', names = '']) => ({
    term,
    meaning,
    inCode: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string),
  }),
)
const sources = await readSources('packages/*/src/**/*.ts')
const publicNames = new Set(
  ['index', 'adapter', 'fetch'].flatMap((entry) => exportedNames(`packages/core/src/${entry}.ts`)),
)

describe('the glossary', () => {
  it('is a table of unique terms in alphabetical order', () => {
    const rows = glossary.match(/^\| \*\*/gm) ?? []
    const names = terms.map(({ term }) => term)

    expect(names.length).toBe(rows.length)
    expect(names.length).toBeGreaterThan(50)
    expect(names).toEqual([...new Set(names)].sort())
  })

  it('names only exports, options and members that exist', () => {
    const options = receiverOptions()
    const missing = terms
      .flatMap(({ inCode }) => inCode)
      .filter((name) => !publicNames.has(name) && !options.has(name) && !isMember(name) && !isExportedSomewhere(name))

    expect(missing).toEqual([])
  })

  it('defines every word in the names that core exports', () => {
    const defined = new Set(terms.flatMap(({ term }) => term.split(' ')).map(singular))
    const used = new Set([...publicNames].flatMap(wordsOf))
    const undefinedWords = [...used].filter((word) => !defined.has(word) && !plainWords.has(word))

    expect(publicNames.size).toBeGreaterThan(80)
    expect(undefinedWords).toEqual([])
    // Keeps the list of exceptions from outgrowing the test.
    expect([...plainWords].filter((word) => !used.has(word) || defined.has(word))).toEqual([])
  })

  it('lists the phases of a delivery in the order of phases.ts', () => {
    const [, table = ''] =
      /const phases\b[^{]*\{([\s\S]*?)^\}/m.exec(sourceOf('packages/core/src/receive/phases.ts')) ?? []
    const phases = [...table.matchAll(/^ {2}(\w+): \{/gm)].map(([, phase]) => phase)
    const listed = [...meaningOf('phase').matchAll(/`(\w+)`/g)].map(([, phase]) => phase)

    expect(phases.length).toBeGreaterThan(5)
    expect(listed).toEqual(phases)
  })

  it('lists every acknowledgement', () => {
    const all: Readonly<Record<Acknowledgement, true>> = { accepted: true, duplicate: true, dropped: true }
    const listed = [...meaningOf('acknowledgement').matchAll(/`(\w+)`/g)].map(([, word]) => word)

    expect(listed.sort()).toEqual(Object.keys(all).sort())
  })

  it('has no term that is unused in the sources and the other pages', async () => {
    const pages = (await allPages()).filter((page) => page !== 'docs/glossary.md')
    const texts = [...sources.values(), ...(await Promise.all(pages.map(readPage)))].map((text) => text.toLowerCase())
    const unused = terms.filter(({ term }) => {
      // "open delivery" also matches `OpenDelivery` and "open deliveries".
      const use = new RegExp(term.replace(/y$/, '').replaceAll(' ', '[\\s*/]*'))
      return !texts.some((text) => use.test(text))
    })

    expect(unused.map(({ term }) => term)).toEqual([])
  })
})

describe('the names in core and the adapters', () => {
  const checked = [...sources].filter(([file]) => packagesInPlainEnglish.includes(file.split('/')[1] as string))

  it('do not include a replaced name', () => {
    expect(checked.length).toBeGreaterThan(30)
    expect(findAll(checked, new RegExp(`\\b(?:${Object.keys(retiredNames).join('|')})\\b`))).toEqual([])
  })

  it('do not include a nickname', () => {
    const code = checked.map(([file, text]) => [file, withoutProse(text)] as const)

    expect(findAll(code, nicknames)).toEqual([])
  })

  it('say attempt for a run of handlers, and retry for the sender', () => {
    expect(findAll(checked, /\b(?:sender|ScrapeNest)(?:'s|s)? (?:next |last )?(?:attempts?|try|tries)\b/)).toEqual([])
  })
})

describe('the pages', async () => {
  const pages = (await allPages()).filter((page) => !page.startsWith('docs/decisions/'))
  const texts = await Promise.all(pages.map(async (page) => [page, await readPage(page)] as const))

  it('use no replaced name', () => {
    const retired = [...Object.keys(retiredNames), 'delivery\\.id'].join('|')

    expect(texts.length).toBeGreaterThan(40)
    expect(findAll(texts, new RegExp(`\\b(?:${retired})\\b`))).toEqual([])
  })

  it("never call the sender's retry an attempt", () => {
    expect(findAll(texts, /\b(?:sender|ScrapeNest)'s (?:next |last )?attempts?\b/)).toEqual([])
  })
})

/** The names that a module exports, including re-exports. */
function exportedNames(file: string): readonly string[] {
  const text = withoutProse(sourceOf(file))
  const declared = [...text.matchAll(/^export (?:declare )?(?:interface|type|const|function|class) (\w+)/gm)]
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = '']) =>
    list.split(',').map((entry) => /(\w+)\s*$/.exec(entry)?.[1]),
  )
  const names = [...declared.map(([, name]) => name), ...listed]
  return names.filter((name) => name !== undefined)
}

/** Splits `memoryDuplicates` into "memory" and "duplicate". */
function wordsOf(name: string): readonly string[] {
  const words = name.replace(/scrapenest/i, 'Scrapenest').match(/[A-Z]?[a-z]+/g) ?? []
  return words.map((word) => singular(word.toLowerCase()))
}

function singular(word: string): string {
  return /[^s]s$/.test(word) && !['is', 'ms'].includes(word) ? word.slice(0, -1) : word
}

/** Whether `Type.member` is declared in any package. */
function isMember(name: string): boolean {
  const [, type, member] = /^(\w+)\.(\w+)$/.exec(name) ?? []
  if (type === undefined) return false
  const declaration = new RegExp(`^export (?:interface|class) ${type}\\b[\\s\\S]*?^\\}`, 'm')
  const declared = new RegExp(`^  (?:readonly )?${member}\\??[(:]`, 'm')
  return [...sources.values()].some((text) => declared.test(declaration.exec(text)?.[0] ?? ''))
}

function isExportedSomewhere(name: string): boolean {
  const declaration = new RegExp(`^export (?:interface|type|const|function|class) ${name}\\b`, 'm')
  return [...sources.values()].some((text) => declaration.test(text))
}

/** The known options, from the message for an unknown one. */
function receiverOptions(): ReadonlySet<string> {
  try {
    createReceiver({ secret: generateSecret(), noSuchOption: true } as never)
  } catch (error) {
    const [, names] = /The options are (.+?)\. /.exec((error as Error).message) ?? []
    if (names !== undefined) return new Set(names.split(', '))
  }
  throw new Error('Expected the message for an unknown option to list the options.')
}

function meaningOf(wanted: string): string {
  const found = terms.find(({ term }) => term === wanted)
  if (found === undefined) throw new Error(`The glossary has no term "${wanted}".`)
  return found.meaning
}

function sourceOf(file: string): string {
  const text = sources.get(file)
  if (text === undefined) throw new Error(`There is no ${file}.`)
  return text
}

async function readSources(pattern: string): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>()
  for await (const file of glob(pattern, { cwd: repository })) {
    texts.set(file, await readFile(join(repository, file), 'utf8'))
  }
  return texts
}

/** Removes comments and string literals. */
function withoutProse(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/gm, '')
}

/** The matches in the sources, as `file: match`. */
function findAll(texts: Iterable<readonly [file: string, text: string]>, pattern: RegExp): readonly string[] {
  return [...texts].flatMap(([file, text]) =>
    [...text.matchAll(new RegExp(pattern, 'g'))].map(([match]) => `${file}: ${match}`),
  )
}
