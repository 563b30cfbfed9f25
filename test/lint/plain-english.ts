// Prints each giveaway phrase in the repository with what to write instead; `pnpm lint` runs it.
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { giveawayPhrases } from './giveaway-phrases.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What people write: pages, sources with their comments and messages, scripts, configuration. */
const written = [
  '*.{md,json,yaml,ts}',
  '.ci/*',
  '.{changeset,github}/**/*.{md,yaml,yml}',
  '{bench,docs,examples,packages,scripts,test}/**/*.{c,cts,js,json,md,mjs,mts,py,sh,snap,sql,ts,tsx}',
]

/** What has been installed, built or measured, and the phrases themselves. */
const unread =
  /(?:^|\/)(?:node_modules|dist|coverage|data|\.stryker-tmp)\/|^test\/lint\/(?:giveaway-phrases|plain-english)/

export interface Finding {
  readonly line: number
  readonly found: string
  readonly instead: string
}

/** Between two words: spaces, or a line break with the markers of a comment or a quotation. */
const gap = '(?:[ \\t]+|[ \\t]*\\n[ \\t]*(?:\\*|//|#|>)?[ \\t]*)'

const searches = giveawayPhrases.map(([phrase, instead]) => ({
  pattern: new RegExp(`(?<![\\w'])(?:${phrase.replaceAll(' ', gap)})(?!\\w)`, 'gi'),
  instead,
}))

/** The giveaway phrases in a text, from the first line to the last. */
export function findGiveaways(text: string): readonly Finding[] {
  return searches
    .flatMap(({ pattern, instead }) =>
      [...text.matchAll(pattern)].map((match) => ({
        line: text.slice(0, match.index).split('\n').length,
        found: match[0].replaceAll(/\s+/g, ' '),
        instead,
      })),
    )
    .sort((one, other) => one.line - other.line)
}

/** Every file that people write, relative to the repository. */
export async function writtenFiles(): Promise<readonly string[]> {
  const files: string[] = []
  for await (const name of glob(written, { cwd: root, exclude: (folder) => folder === 'node_modules' })) {
    const file = name.replaceAll('\\', '/')
    if (!unread.test(file) && file !== 'pnpm-lock.yaml') files.push(file)
  }
  return files.sort()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of await writtenFiles()) {
    for (const { line, found, instead } of findGiveaways(await readFile(join(root, file), 'utf8'))) {
      console.log(`${file}:${line} "${found}": write ${instead}`)
      process.exitCode = 1
    }
  }
}
