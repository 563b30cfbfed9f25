import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import {
  printErrorLine,
  printJson,
  printLine,
  printQuestion,
  printTable,
  printText,
  red,
} from '../../src/terminal/print.ts'

const sources = join(import.meta.dirname, '../../src')
const attack = '\u001b[31m\u202e\u0007'

let written = ''
beforeEach(() => {
  written = ''
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      written += text
      return true
    })
  }
})
afterEach(() => vi.restoreAllMocks())

it.each<[string, () => void]>([
  ['a line', () => printLine(attack, red(attack))],
  ['text', () => printText(`{\n${attack}\n}`)],
  ['JSON', () => printJson({ [attack]: attack })],
  ['a table', () => printTable(['NAME'], [[attack]])],
  ['an error', () => printErrorLine(attack)],
  ['a question', () => printQuestion(attack)],
])('escapes %s', (_kind, print) => {
  print()
  expect(written).toContain('\\u001b[31m\\u202e\\u0007')
  expect(written.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
})

it('keeps the columns of a table aligned after escaping', () => {
  printTable(
    ['A', 'B'],
    [
      ['\u001b', 'x'],
      ['long enough', 'y'],
    ],
  )
  const columns = written
    .trimEnd()
    .split('\n')
    .map((line) => line.search(/[Bxy]$/))
  expect(new Set(columns).size).toBe(1)
})

it('is the only code that writes to the terminal', async () => {
  const writing: string[] = []
  for await (const file of glob('**/*.ts', { cwd: sources })) {
    const text = await readFile(join(sources, file), 'utf8')
    if (/\bconsole\.|\b(?:stdout|stderr|stream)\.write\(/.test(text)) writing.push(file)
  }
  // closed-pipe.ts writes only the constants that its signature allows.
  expect(writing.sort()).toEqual(['terminal/closed-pipe.ts', 'terminal/print.ts'])
})
