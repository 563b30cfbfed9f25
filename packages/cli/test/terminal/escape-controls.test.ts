import { describe, expect, it } from 'vitest'
import { escapeControls } from '../../src/terminal/escape-controls.ts'

describe('escapeControls', () => {
  it.each([
    ['ESC', '\u001b[2J', '\\u001b[2J'],
    ['a C1 control', '\u009b31m', '\\u009b31m'],
    ['a bell', '\u0007', '\\u0007'],
    ['a line break', 'one\ntwo\r', 'one\\u000atwo\\u000d'],
    ['DEL', '\u007f', '\\u007f'],
    ['a right-to-left override', 'gpj.\u202eexe', 'gpj.\\u202eexe'],
    ['a right-to-left isolate', '\u2067', '\\u2067'],
    ['a line separator', '\u2028', '\\u2028'],
    ['a byte order mark', '\ufeff', '\\ufeff'],
    ['an invisible tag', '\u{e0041}', '\\udb40\\udc41'],
    ['half of a surrogate pair', '\ud800', '\\ud800'],
  ])('escapes %s', (_what, text, escaped) => {
    expect(escapeControls(text)).toBe(escaped)
  })

  it.each(['Zürich 12.50 €', '日本語', 'עברית', '👩‍👩‍👧', 'می\u200cخواهم', 'C:\\temp'])('keeps %s', (text) => {
    expect(escapeControls(text)).toBe(text)
  })

  it('keeps JSON valid and equal', () => {
    const value = { '\u202e': '\u001b]0;title\u0007', é: ['\u009b', '\ud800', '\u{e0041}'] }
    const escaped = escapeControls(JSON.stringify(value))
    expect(escaped).toMatch(/^[\x20-\x7eé]+$/)
    expect(JSON.parse(escaped)).toEqual(value)
  })
})
