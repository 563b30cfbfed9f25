import { describe, expect, it } from 'vitest'
import { defaultDelaysMs, jitteredBackoff } from '../src/index.ts'

describe('jitteredBackoff', () => {
  it('waits up to 5 s, 30 s, 2 min, 10 min, 30 min, 2 h and 5 h, and no longer after that', () => {
    const longest = jitteredBackoff(defaultDelaysMs, () => 1)
    expect([1, 2, 3, 4, 5, 6, 7, 8, 100].map(longest)).toEqual([
      5_000, 30_000, 120_000, 600_000, 1_800_000, 7_200_000, 18_000_000, 18_000_000, 18_000_000,
    ])
  })

  it('returns any delay from 0 to the maximum', () => {
    expect(jitteredBackoff(defaultDelaysMs, () => 0)(3)).toBe(0)
    expect(jitteredBackoff(defaultDelaysMs, () => 0.25)(2)).toBe(7_500)
  })

  it('spreads events that failed together over the whole range', () => {
    const backoff = jitteredBackoff()
    const delays = Array.from({ length: 2000 }, () => backoff(1))
    for (const delay of delays) expect(delay).toBeGreaterThanOrEqual(0)
    for (const delay of delays) expect(delay).toBeLessThanOrEqual(5_000)
    for (let fifth = 0; fifth < 5; fifth += 1) {
      expect(delays.filter((delay) => Math.floor(delay / 1000) === fifth).length).toBeGreaterThan(250)
    }
  })

  it('does not wait without delays', () => {
    expect(jitteredBackoff([])(1)).toBe(0)
  })
})
