import { describe, expect, it } from 'vitest'
import { verify } from '../../src/index.ts'
import { parseTimestamp } from '../../src/timestamp.ts'
import { deliver, secret, startMs, startSeconds } from '../deliveries.ts'

describe('parseTimestamp', () => {
  it.each([
    ['0', 0],
    ['1', 1],
    ['1614265330', 1614265330],
    ['9'.repeat(15), 999_999_999_999_999],
  ])('reads %s', (text, seconds) => {
    expect(parseTimestamp(text, seconds * 1000, 300)).toBe(seconds)
  })

  it.each([
    '',
    '00',
    '01',
    '-0',
    '+1',
    ' 1',
    '1 ',
    '1\n',
    '1.0',
    '1e3',
    '0x1',
    '1_000',
    '١',
    '1'.repeat(16),
    7,
    null,
    ['1'],
  ])('refuses %o', (value) => {
    expect(() => parseTimestamp(value, startMs, 300)).toThrow(
      expect.objectContaining({
        code: 'timestamp_invalid',
        message: 'Timestamp invalid: not Unix seconds.',
      }),
    )
  })
})

describe('the window', () => {
  it.each([-300, -299, 0, 299, 300])('accepts a delivery that is %i s old', (ageSeconds) => {
    expect(() => parseTimestamp(String(startSeconds), startMs + ageSeconds * 1000, 300)).not.toThrow()
  })

  it.each([
    [301, "301 s behind this server's clock, 300 s are allowed."],
    [-301, "301 s ahead of this server's clock, 300 s are allowed."],
  ])('refuses a delivery that is %i s old', (ageSeconds, saying) => {
    expect(() => parseTimestamp(String(startSeconds), startMs + ageSeconds * 1000, 300)).toThrow(
      expect.objectContaining({
        code: 'timestamp_outside_tolerance',
        message: expect.stringContaining(saying),
      }),
    )
  })

  it('counts whole seconds: 300.999 s are still 300', () => {
    expect(() => parseTimestamp(String(startSeconds), startMs + 300_999, 300)).not.toThrow()
  })

  it('refuses everything while the clock gives no number', () => {
    const { headers } = deliver('x')
    expect(() => verify({ headers, body: 'x' }, secret, { now: () => Number.NaN })).toThrow(
      expect.objectContaining({ code: 'timestamp_outside_tolerance' }),
    )
  })

  it('is as wide as toleranceSeconds says', () => {
    const { headers } = deliver('x')
    const at = (ageSeconds: number) => ({ toleranceSeconds: 10, now: () => startMs + ageSeconds * 1000 })
    expect(verify({ headers, body: 'x' }, secret, at(10)).id).toBe('msg_1')
    expect(() => verify({ headers, body: 'x' }, secret, at(11))).toThrow(
      expect.objectContaining({
        code: 'timestamp_outside_tolerance',
        message: expect.stringContaining('10 s are allowed'),
      }),
    )
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 1.5, '300'])(
    'cannot be switched off with a tolerance of %o',
    (toleranceSeconds) => {
      const { headers } = deliver('x')
      const options = { toleranceSeconds: toleranceSeconds as number, now: () => startMs }
      expect(() => verify({ headers, body: 'x' }, secret, options)).toThrow(
        expect.objectContaining({
          code: 'configuration_invalid',
          message: expect.stringContaining('toleranceSeconds'),
        }),
      )
    },
  )

  it('is measured on the real clock by default', () => {
    const { headers } = deliver('x', { sentAtMs: Date.now() })
    expect(verify({ headers, body: 'x' }, secret).id).toBe('msg_1')
  })
})
