import { describe, expect, it } from 'vitest'
import { hashOf } from '../../src/handle/duplicates.ts'
import { type ClaimResult, memoryDuplicates } from '../../src/index.ts'
import { fakeClock } from '../deliveries.ts'

const lease = { leaseMs: 1000 }

function store(options: Parameters<typeof memoryDuplicates>[0] = {}) {
  const clock = fakeClock()
  const duplicates = memoryDuplicates({ now: clock.now, ...options })
  return {
    clock,
    ...duplicates,
    claim: (key: string, leaseMs = 1000) => duplicates.claim(key, { leaseMs }) as ClaimResult,
    complete: (key: string, token: string) => duplicates.complete(key, token),
    release: (key: string, token: string) => duplicates.release(key, token),
    /** Claims and completes, as a handler that succeeds. */
    handle(key: string): void {
      duplicates.complete(key, tokenOf(duplicates.claim(key, lease) as ClaimResult))
    },
  }
}

function tokenOf(claim: ClaimResult): string {
  if (claim.state !== 'claimed') throw new Error(`Expected a claim, got ${claim.state}.`)
  return claim.token
}

describe('memoryDuplicates', () => {
  it('takes an event from unknown to in progress to done', () => {
    const { claim, complete } = store()
    const token = tokenOf(claim('a'))
    expect(claim('a')).toEqual({ state: 'in_progress' })
    complete('a', token)
    expect(claim('a')).toEqual({ state: 'done' })
    expect(claim('b')).toMatchObject({ state: 'claimed' })
  })

  it('gives a released event to the next claim', () => {
    const { claim, release } = store()
    const first = tokenOf(claim('a'))
    release('a', first)
    expect(tokenOf(claim('a'))).not.toBe(first)
  })

  it('takes an event for done that was completed after its claim was given to another and came back', () => {
    const { clock, claim, complete, release } = store()
    const first = tokenOf(claim('a'))
    clock.advance(1000)
    release('a', tokenOf(claim('a')))
    complete('a', first)
    expect(claim('a')).toEqual({ state: 'done' })
  })

  it('completes and releases claims of the elder generation', () => {
    const { claim, complete, release, handle } = store({ maxEvents: 4 })
    const [completed, released] = [tokenOf(claim('completed')), tokenOf(claim('released'))]
    handle('another')
    complete('completed', completed)
    release('released', released)
    expect(claim('completed')).toEqual({ state: 'done' })
    expect(claim('released')).toMatchObject({ state: 'claimed' })
  })

  it('ends a claim with its lease, to the millisecond', () => {
    const { clock, claim } = store()
    claim('a')
    clock.advance(999)
    expect(claim('a')).toEqual({ state: 'in_progress' })
    clock.advance(1)
    expect(claim('a')).toMatchObject({ state: 'claimed' })
  })

  it('ends a short lease in time although a longer one was claimed before it', () => {
    const { clock, claim } = store()
    claim('long', 5000)
    claim('short', 1000)
    clock.advance(1000)
    expect(claim('long')).toEqual({ state: 'in_progress' })
    expect(claim('short')).toMatchObject({ state: 'claimed' })
  })

  it('lets nobody but the owner end a claim', () => {
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

  it('takes the word of a handler that outlived its lease when nobody took over', () => {
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

  it('remembers for four days by default, longer than the sender tries', () => {
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

  it('begins a generation once per age, and not at each event from then on', () => {
    const { clock, claim, handle } = store({ rememberSeconds: 60 })
    handle('a')
    clock.advance(60_000)
    for (const key of ['b', 'c', 'd', 'e']) handle(key)
    expect(['b', 'c', 'd', 'e'].map((key) => claim(key).state)).toEqual(['done', 'done', 'done', 'done'])
  })

  it('forgets a handled event at its age although its lease would still run', () => {
    const { clock, claim, complete } = store({ rememberSeconds: 60 })
    complete('a', tokenOf(claim('a', 900_000)))
    clock.advance(60_000)
    expect(claim('a')).toMatchObject({ state: 'claimed' })
  })

  it('remembers the younger half for certain, and never more than maxEvents', () => {
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

  it('never forgets a running claim for want of room', () => {
    const { claim, handle } = store({ maxEvents: 2 })
    claim('running')
    for (let number = 0; number < 1000; number += 1) handle(`event ${number}`)
    expect(claim('running')).toEqual({ state: 'in_progress' })
  })

  it('gives the room of a claim whose lease has ended to others, and still takes the word of its handler', () => {
    const { clock, claim, complete, handle } = store({ maxEvents: 4 })
    const token = tokenOf(claim('outlived'))
    clock.advance(1000)
    for (const key of ['a', 'b', 'c', 'd']) handle(key)
    expect(['c', 'd'].map((key) => claim(key).state)).toEqual(['done', 'done'])
    complete('outlived', token)
    expect(claim('outlived')).toEqual({ state: 'done' })
  })

  it('takes no event for another whose key has the same hash', () => {
    const { claim, handle, release } = store()
    const [one, other] = keysOfOneHash()
    handle(one)
    const token = tokenOf(claim(other))
    expect(claim(other)).toEqual({ state: 'in_progress' })
    release(other, token)
    handle(other)
    expect([claim(one), claim(other)]).toEqual([{ state: 'done' }, { state: 'done' }])
  })

  it.each([
    ['rememberSeconds', 0],
    ['rememberSeconds', Number.NaN],
    ['maxEvents', 1],
    ['maxEvents', Number.POSITIVE_INFINITY],
  ])('refuses %s: %d', (name, value) => {
    expect(() => memoryDuplicates({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringContaining(name) }),
    )
  })

  it('goes by the real clock by default', () => {
    const duplicates = memoryDuplicates()
    expect(duplicates.claim('a', lease)).toMatchObject({ state: 'claimed' })
    expect(duplicates.claim('a', lease)).toEqual({ state: 'in_progress' })
  })
})

/** The seed is another one in each process, so they have to be looked for: among a hundred thousand, one pair is to be expected. */
function keysOfOneHash(): readonly [string, string] {
  const seen = new Map<number, string>()
  for (let number = 1; number < 3_000_000; number += 1) {
    // Short, because it is the length that costs time.
    const key = (Math.imul(number, 0x9e3779b1) >>> 0).toString(36)
    const hash = hashOf(key)
    const other = seen.get(hash)
    if (other !== undefined) return [other, key]
    seen.set(hash, key)
  }
  throw new Error('Expected two keys of one hash.')
}

describe('hashOf', () => {
  it('gives whole numbers of 32 bits, the same for the same key, spread over all of them', () => {
    const hashes = Array.from({ length: 4096 }, (_, number) => hashOf(`scrapenest/evt_${number}`))
    expect(hashes).toEqual(Array.from({ length: 4096 }, (_, number) => hashOf(`scrapenest/evt_${number}`)))
    for (const hash of hashes) expect(hash).toBe(hash | 0)
    expect(new Set(hashes).size).toBeGreaterThan(4090)
  })
})
