import { describe, expect, it } from 'vitest'
import { hashOf, RememberedKeys } from '../src/remembered-keys.ts'

describe('RememberedKeys', () => {
  it('tells how long a key is remembered, and of an unknown one nothing', () => {
    const keys = new RememberedKeys()
    keys.remember('a', hashOf('a'), 1000)
    expect(keys.untilMs('a', hashOf('a'))).toBe(1000)
    expect(keys.untilMs('b', hashOf('b'))).toBe(0)
    expect(keys.size).toBe(1)
  })

  it('remembers a key anew, once', () => {
    const keys = new RememberedKeys()
    keys.remember('other', 1, 5)
    keys.remember('a', 1, 1000)
    keys.remember('a', 1, 2000)
    expect(keys.untilMs('a', 1)).toBe(2000)
    expect(keys.untilMs('other', 1)).toBe(5)
    expect(keys.size).toBe(2)
  })

  it('takes no key for another of the same hash, and no hash for another of the same key', () => {
    const keys = new RememberedKeys()
    keys.remember('a', 7, 1000)
    expect(keys.untilMs('b', 7)).toBe(0)
    keys.remember('b', 7, 2000)
    expect([keys.untilMs('a', 7), keys.untilMs('b', 7), keys.untilMs('c', 7)]).toEqual([1000, 2000, 0])
    expect(keys.untilMs('a', 8)).toBe(0)
  })

  it.each([
    ['their own hashes', hashOf],
    ['hashes of which many are one', (key: string) => hashOf(key) & 63],
    ['hashes that all begin at the last slot of any table', (key: string) => hashOf(key) | 0xff_ffff],
    ['hashes of either sign', (key: string) => (key.length % 2 === 0 ? -1 : 1) * Number(key.slice(4))],
  ])('keeps each of 3,000 keys with %s while it grows', (_case, hash) => {
    const keys = new RememberedKeys()
    const names = Array.from({ length: 3000 }, (_, number) => `key ${number}`)
    for (const [index, name] of names.entries()) {
      expect(keys.untilMs(name, hash(name))).toBe(0)
      keys.remember(name, hash(name), index + 1)
    }
    expect(names.map((name) => keys.untilMs(name, hash(name)))).toEqual(names.map((_, index) => index + 1))
    expect(keys.size).toBe(3000)
  })
})

describe('hashOf', () => {
  it('gives whole numbers of 32 bits, the same for the same key, spread over all slots', () => {
    const hashes = Array.from({ length: 4096 }, (_, number) => hashOf(`scrapenest/evt_${number}`))
    expect(hashes).toEqual(Array.from({ length: 4096 }, (_, number) => hashOf(`scrapenest/evt_${number}`)))
    for (const hash of hashes) expect(hash).toBe(hash | 0)
    // Of 4,096 slots as many keys fill 63 % when they are spread as if by chance; in rows, many fewer.
    expect(new Set(hashes.map((hash) => hash & 4095)).size).toBeGreaterThan(2300)
    expect(new Set(hashes).size).toBeGreaterThan(4090)
  })
})
