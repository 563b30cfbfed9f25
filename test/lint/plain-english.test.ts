import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { repository } from '../docs/code-blocks.ts'
import { giveawayPhrases } from './giveaway-phrases.ts'
import { findGiveaways, writtenFiles } from './plain-english.ts'

describe('the check for giveaway phrases', () => {
  it.each([
    ['a sentence', 'What was refused comes again.', 'comes again'],
    ['capitals', 'Nobody calls it.', 'Nobody'],
    ['a comment with a line break', '/**\n * Anything else comes\n * again.\n */', 'comes * again'],
    ['a line comment with a break', '// A port that is out\n// of reach', 'out // of reach'],
    ['a quotation with a break', '> It goes\n> on.', 'goes > on'],
    ['a message', "throw new Error('app.scrapenest exists already.')", 'exists already'],
    ['a British spelling', 'Serialises the behaviour of a start-up', 'behaviour'],
  ])('finds a phrase in %s', (_where, text, found) => {
    expect(findGiveaways(text).map((finding) => finding.found)).toContain(found)
  })

  it('reports the line, and what to write instead', () => {
    expect(findGiveaways('One\n\nTwo beside three')).toEqual([
      { line: 3, found: 'beside', instead: 'alongside, next to, in addition to' },
    ])
  })

  it.each([
    'they can be told apart',
    'there is no handler',
    'it is no longer needed',
    'nothing goes on the wire',
    'DROP TRIGGER events_recognised',
    'a bodyguard by its elf',
  ])('accepts a legitimate use: %s', (text) => {
    expect(findGiveaways(text)).toEqual([])
  })

  it('lists each phrase once, with what to write instead', () => {
    const phrases = giveawayPhrases.map(([phrase]) => phrase)

    expect(new Set(phrases).size).toBe(phrases.length)
    expect(giveawayPhrases.filter(([, instead]) => instead === '')).toEqual([])
  })

  it('reads pages, sources, tests, scripts, examples and configuration', async () => {
    expect(await writtenFiles()).toEqual(
      expect.arrayContaining([
        '.ci/run',
        'README.md',
        'bench/bench.ts',
        'docs/errors/README.md',
        'examples/express/server.ts',
        'package.json',
        'packages/core/README.md',
        'packages/core/src/verify/verify.ts',
        'packages/core/test/errors.test.ts',
        'pnpm-workspace.yaml',
      ]),
    )
  })

  it('finds nothing in the repository', async () => {
    const findings: string[] = []
    for (const file of await writtenFiles()) {
      const text = await readFile(join(repository, file), 'utf8')
      findings.push(...findGiveaways(text).map(({ line, found, instead }) => `${file}:${line} "${found}": ${instead}`))
    }

    expect(findings).toEqual([])
  })
})
