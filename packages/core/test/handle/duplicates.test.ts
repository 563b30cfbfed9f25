import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { type ClaimResult, memoryDuplicates } from '../../src/index.ts'
import { fakeClock, refusal } from '../deliveries.ts'

const expiry = { expiresInMs: 1000 }

function store(options: Parameters<typeof memoryDuplicates>[0] = {}) {
  const clock = fakeClock()
  const duplicates = memoryDuplicates({ now: clock.now, ...options })
  return {
    clock,
    ...duplicates,
    claim: (key: string, expiresInMs = 1000) => duplicates.claim(key, { expiresInMs }) as ClaimResult,
    complete: (key: string, token: string) => duplicates.complete(key, token),
    release: (key: string, token: string) => duplicates.release(key, token),
    /** Claims and completes, as for a handler that succeeds. */
    handle(key: string): void {
      duplicates.complete(key, tokenOf(duplicates.claim(key, expiry) as ClaimResult))
    },
  }
}

function tokenOf(claim: ClaimResult): string {
  if (claim.state !== 'claimed') throw new Error(`Expected a claim, got ${claim.state}.`)
  return claim.token
}

describe('memoryDuplicates', () => {
  it('moves an event from unknown to in progress to done', () => {
    const { claim, complete } = store()
    const token = tokenOf(claim('a'))
    expect(claim('a')).toEqual({ state: 'in_progress' })
    complete('a', token)
    expect(claim('a')).toEqual({ state: 'done' })
    expect(claim('b')).toMatchObject({ state: 'claimed' })
  })

  it('grants a released event to the next claim, with a new token', () => {
    const { claim, release } = store()
    const first = tokenOf(claim('a'))
    release('a', first)
    expect(tokenOf(claim('a'))).not.toBe(first)
  })

  it('considers an event done if it is completed after a successor released it', () => {
    const { clock, claim, complete, release } = store()
    const first = tokenOf(claim('a'))
    clock.advance(1000)
    release('a', tokenOf(claim('a')))
    complete('a', first)
    expect(claim('a')).toEqual({ state: 'done' })
  })

  it('completes and releases claims that outlive a generation', () => {
    const { claim, complete, release, handle } = store({ maxEvents: 4 })
    const [completed, released] = [tokenOf(claim('completed')), tokenOf(claim('released'))]
    handle('another')
    complete('completed', completed)
    release('released', released)
    expect(claim('completed')).toEqual({ state: 'done' })
    expect(claim('released')).toMatchObject({ state: 'claimed' })
  })

  it('lets a claim expire, to the millisecond', () => {
    const { clock, claim } = store()
    claim('a')
    clock.advance(999)
    expect(claim('a')).toEqual({ state: 'in_progress' })
    clock.advance(1)
    expect(claim('a')).toMatchObject({ state: 'claimed' })
  })

  it('lets a short claim expire even if a longer one was granted before', () => {
    const { clock, claim } = store()
    claim('long', 5000)
    claim('short', 1000)
    clock.advance(1000)
    expect(claim('long')).toEqual({ state: 'in_progress' })
    expect(claim('short')).toMatchObject({ state: 'claimed' })
  })

  it('lets only the owner end a claim', () => {
    const { clock, claim, complete, release } = store()
    const outlived = tokenOf(claim('a'))
    clock.advance(1000)
    const successor = tokenOf(claim('a'))
    release('a', outlived)
    complete('a', outlived)
    expect(claim('a')).toEqual({ state: 'in_progress' })
    complete('a', successor)
    expect(claim('a')).toEqual({ state: 'done' })
  })

  it('considers an event done if its handler outlived its claim without a successor', () => {
    const { clock, claim, complete } = store()
    const token = tokenOf(claim('a'))
    clock.advance(5000)
    claim('b')
    complete('a', token)
    expect(claim('a')).toEqual({ state: 'done' })
  })

  it('forgets a handled event at its age', () => {
    const { clock, claim, handle } = store({ rememberSeconds: 60 })
    handle('a')
    clock.advance(59_999)
    expect(claim('a')).toEqual({ state: 'done' })
    clock.advance(1)
    expect(claim('a')).toMatchObject({ state: 'claimed' })
  })

  it('remembers for four days by default, longer than ScrapeNest retries', () => {
    const { clock, claim, handle } = store()
    handle('a')
    clock.advance(4 * 86_400_000 - 1)
    expect(claim('a')).toEqual({ state: 'done' })
    clock.advance(1)
    expect(claim('a')).toMatchObject({ state: 'claimed' })
  })

  it('keeps counting the age of an event across a generation', () => {
    const { clock, claim, handle } = store({ rememberSeconds: 60 })
    handle('a')
    clock.advance(59_000)
    handle('b')
    clock.advance(1_000)
    handle('c')
    expect(claim('a')).toMatchObject({ state: 'claimed' })
    expect(claim('b')).toEqual({ state: 'done' })
  })

  it('starts a generation once per age, not for each event after it', () => {
    const { clock, claim, handle } = store({ rememberSeconds: 60 })
    handle('a')
    clock.advance(60_000)
    for (const key of ['b', 'c', 'd', 'e']) handle(key)
    expect(['b', 'c', 'd', 'e'].map((key) => claim(key).state)).toEqual(['done', 'done', 'done', 'done'])
  })

  it('forgets a handled event at its age even if its claim was longer', () => {
    const { clock, claim, complete } = store({ rememberSeconds: 60 })
    complete('a', tokenOf(claim('a', 900_000)))
    clock.advance(60_000)
    expect(claim('a')).toMatchObject({ state: 'claimed' })
  })

  it('always remembers the younger half, and never more than maxEvents', () => {
    const { claim, release, handle } = store({ maxEvents: 10 })
    for (let number = 0; number < 23; number += 1) handle(`event ${number}`)
    const remembered = Array.from({ length: 23 }, (_, number) => number).filter((number) => {
      const looked = claim(`event ${number}`)
      if (looked.state === 'claimed') release(`event ${number}`, looked.token)
      return looked.state === 'done'
    })
    expect(remembered.length).toBeLessThanOrEqual(10)
    expect(remembered).toEqual(expect.arrayContaining([18, 19, 20, 21, 22]))
  })

  it('never evicts a running claim', () => {
    const { claim, handle } = store({ maxEvents: 2 })
    claim('running')
    for (let number = 0; number < 1000; number += 1) handle(`event ${number}`)
    expect(claim('running')).toEqual({ state: 'in_progress' })
  })

  it('ignores the release of an event that is not claimed', () => {
    const { claim, release } = store()
    release('a', '1')
    expect(claim('a')).toMatchObject({ state: 'claimed' })
  })

  it('frees the memory of expired claims', () => {
    const { clock, claim } = store({ maxEvents: 2000 })
    const grownMiB = heapGrowth(() => {
      for (let number = 0; number < 60_000; number += 1) {
        clock.advance(10)
        claim(`an event that never ends ${number}`, 10)
      }
    })
    expect(grownMiB).toBeLessThan(2)
    expect(claim('another')).toMatchObject({ state: 'claimed' })
  })

  it('frees the memory of handled events at their age', () => {
    const { clock, handle } = store({ rememberSeconds: 1, maxEvents: 1_000_000 })
    const grownMiB = heapGrowth(() => {
      for (let number = 0; number < 60_000; number += 1) handle(`an event of long ago ${number}`)
      for (let number = 0; number < 3; number += 1) {
        clock.advance(1000)
        handle(`later ${number}`)
      }
    })
    expect(grownMiB).toBeLessThan(2)
    handle('another')
  })

  it('grants an expired claim to another delivery, and still considers the event done when the first handler succeeds', () => {
    const { clock, claim, complete, handle } = store({ maxEvents: 4 })
    const token = tokenOf(claim('outlived'))
    clock.advance(1000)
    for (const key of ['a', 'b', 'c', 'd']) handle(key)
    expect(['c', 'd'].map((key) => claim(key).state)).toEqual(['done', 'done'])
    complete('outlived', token)
    expect(claim('outlived')).toEqual({ state: 'done' })
  })

  it.each([
    ['rememberSeconds', 0],
    ['rememberSeconds', Number.NaN],
    ['maxEvents', 1],
    ['maxEvents', Number.POSITIVE_INFINITY],
  ])('rejects %s: %d', (name, value) => {
    expect(() => memoryDuplicates({ [name]: value })).toThrow(refusal('configuration_invalid', name))
  })

  it('uses the real clock by default', () => {
    const duplicates = memoryDuplicates()
    expect(duplicates.claim('a', expiry)).toMatchObject({ state: 'claimed' })
    expect(duplicates.claim('a', expiry)).toEqual({ state: 'in_progress' })
  })
})

/** In MiB, after a garbage collection. */
function heapGrowth(work: () => void): number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  const before = process.memoryUsage().heapUsed
  work()
  collect()
  return (process.memoryUsage().heapUsed - before) / 1024 / 1024
}
