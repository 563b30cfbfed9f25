import { describe, expect, it } from 'vitest'
import { parseIsoTime } from '../src/arguments.ts'

describe('parseIsoTime', () => {
  it.each([
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2026-01-31T09:30Z', '2026-01-31T09:30:00.000Z'],
    ['2026-01-31T09:30:15.25+02:00', '2026-01-31T07:30:15.250Z'],
  ])('accepts %s', (text, expected) => {
    expect(new Date(parseIsoTime(text)).toISOString()).toBe(expected)
  })

  // `Date.parse` accepts most of these, as a time that no one meant.
  it.each([
    '',
    '1',
    '90',
    '30d',
    'job 12',
    'Jan 5',
    '01/02/2026',
    '2026-1-1',
    '2026-02-29',
    '2026-02-31',
    '2026-13-01',
    '2026-01-01T25:00Z',
    '2026-01-01 10:00',
    '1767225600',
    'yesterday',
  ])('refuses %j', (text) => {
    expect(parseIsoTime(text)).toBeNaN()
  })
})
