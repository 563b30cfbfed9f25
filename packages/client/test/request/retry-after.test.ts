import { expect, it } from 'vitest'
import { retryAfterSecondsOf } from '../../src/request/retry-after.ts'

const nowMs = Date.parse('2026-02-03T10:15:00Z')
const nowSeconds = nowMs / 1000

it.each<readonly [headers: Record<string, string>, seconds: number | undefined]>([
  [{}, undefined],
  [{ 'retry-after': '3' }, 3],
  [{ 'retry-after': ' 0 ' }, 0],
  [{ 'retry-after': 'Tue, 03 Feb 2026 10:15:07 GMT' }, 7],
  [{ 'retry-after': 'Tue, 03 Feb 2026 10:14:00 GMT' }, 0],
  [{ 'retry-after': 'Tuesday, 03-Feb-26 10:15:07 GMT' }, 7],
  [{ 'retry-after': 'Tue Feb  3 10:15:07 2026 GMT' }, 7],
  [{ 'retry-after': '1.5' }, 1.5],
  [{ 'retry-after': '99999999999999999999' }, Number.MAX_SAFE_INTEGER],
  [{ 'retry-after': '9'.repeat(400) }, Number.MAX_SAFE_INTEGER],
  ...['soon', 'soon 5', '-5', '1, 2', '3, 3', '1e400', '0x10', 'Infinity', 'NaN', ''].map(
    (text) => [{ 'retry-after': text }, undefined] as const,
  ),
  [{ 'retry-after': '3', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '9' }, 3],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '9' }, 9],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(nowSeconds + 9) }, 9],
  [{ 'x-ratelimit-remaining': '5', 'x-ratelimit-reset': '9' }, undefined],
  [{ 'x-ratelimit-remaining': '0' }, undefined],
])('%o means %s seconds', (headers, seconds) => {
  expect(retryAfterSecondsOf((name) => headers[name] ?? null, nowMs)).toBe(seconds)
})
