import widthOf from 'fast-string-width'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { arrangeTable, columnsOf, wrapLine } from '../../src/terminal/fit.ts'

afterEach(() => vi.unstubAllEnvs())

const wide = '日本語の名前'

describe('columnsOf', () => {
  const stream = (state: Partial<NodeJS.WriteStream>): NodeJS.WriteStream => state as NodeJS.WriteStream

  it.each([
    ['the size of a terminal', { isTTY: true, columns: 100 }, undefined, 100],
    ['COLUMNS rather than the size of a terminal', { isTTY: true, columns: 100 }, '60', 60],
    ['COLUMNS on a terminal that reports no size', { isTTY: true, columns: 0 }, '60', 60],
    ['no width if COLUMNS is not a number', { isTTY: true, columns: 0 }, 'wide', undefined],
    ['no width for a pipe, even with COLUMNS', {}, '60', undefined],
  ])('returns %s', (_, state, variable, expected) => {
    vi.stubEnv('COLUMNS', variable)
    expect(columnsOf(stream(state))).toBe(expected)
  })
})

describe('wrapLine', () => {
  it('breaks between words and repeats the indentation', () => {
    expect(wrapLine('    one two three', 12)).toBe('    one two\n    three')
  })

  it('keeps a longer word whole, so that a URL can be copied', () => {
    const url = `https://example.com/${'a'.repeat(90)}`
    expect(wrapLine(`  Open ${url} now`, 40)).toBe(`  Open\n  ${url}\n  now`)
  })

  it('leaves a line that fits unchanged', () => {
    expect(wrapLine('state   done', 12)).toBe('state   done')
  })

  it('counts wide characters twice and colors not at all', () => {
    expect(wrapLine(`${wide} ${wide}`, 24)).toBe(`${wide}\n${wide}`)
    expect(wrapLine('\u001b[31mfour\u001b[39m five', 9)).toBe('\u001b[31mfour\u001b[39m five')
  })

  it.each([0, 1, 2, 3])('loses no character on a terminal of %i columns', (columns) => {
    expect(wrapLine('  one two', columns).replaceAll(/\s/g, '')).toBe('onetwo')
  })
})

describe('arrangeTable', () => {
  const rows = [
    ['ID', 'STATE', 'RECEIVED'],
    ['0f7a1c52', 'done', '2026-01-01'],
    ['1', 'running', '2026-01-02'],
  ]

  it('keeps a row on one line without a width, however long', () => {
    expect(arrangeTable([['a'.repeat(500), 'b']])).toEqual([[`${'a'.repeat(500)}  b`]])
  })

  it('keeps a row on one line that is exactly as wide as the terminal', () => {
    expect(arrangeTable(rows, 29).map((lines) => lines.length)).toEqual([1, 1, 1])
    expect(arrangeTable(rows, 28).map((lines) => lines.length)).toEqual([2, 2, 2])
  })

  it('continues the last columns of every row on an aligned line', () => {
    expect(arrangeTable(rows, 20)).toEqual([
      ['ID        STATE', '  RECEIVED'],
      ['0f7a1c52  done', '  2026-01-01'],
      ['1         running', '  2026-01-02'],
    ])
  })

  it('aligns columns after wide characters', () => {
    const ends = arrangeTable([
      ['NAME', 'X'],
      [wide, 'x'],
      ['🎉', 'x'],
      ['plain', 'x'],
    ]).map(([line = '']) => widthOf(line))
    expect(new Set(ends).size).toBe(1)
  })

  it.each([0, 1, 2, 3])('loses no character on a terminal of %i columns', (columns) => {
    expect(arrangeTable(rows, columns).flat().join('').replaceAll(' ', '')).toBe(rows.flat().join(''))
  })
})
