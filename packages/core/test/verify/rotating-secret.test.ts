import { fakeClock, generateSecret } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { type RotatingSecretOptions, rotatingSecret } from '../../src/index.ts'

const [one, two] = [generateSecret(), generateSecret()]
const mismatch = { result: 'signature_mismatch' } as const

function rotating(options: Partial<RotatingSecretOptions> = {}) {
  const clock = fakeClock(0)
  const store = { secret: one as string | undefined, loads: 0, failing: false }
  const source = rotatingSecret({
    load: async () => {
      store.loads += 1
      if (store.failing) throw new Error('the store is out of reach')
      return store.secret
    },
    now: clock.now,
    ...options,
  })
  return { clock, store, ...source }
}

describe('rotatingSecret', () => {
  it('loads once for many deliveries, and again when the answer is old', async () => {
    const { secret, store, clock } = rotating({ maxAgeMs: 60_000 })
    await Promise.all([secret(), secret(), secret()])
    expect(store.loads).toBe(1)
    clock.advance(59_999)
    await secret()
    expect(store.loads).toBe(1)
    clock.advance(1)
    await secret()
    expect(store.loads).toBe(2)
  })

  it('serves the new secret first and the old one for as long as overlapMs after', async () => {
    const { secret, onDelivery, store, clock } = rotating({ overlapMs: 10_000, maxAgeMs: 1_000_000 })
    expect(await secret()).toEqual([one])
    store.secret = two
    clock.advance(500_000)
    onDelivery(mismatch)
    expect(await secret()).toEqual([two, one])
    clock.advance(9_999)
    expect(await secret()).toEqual([two, one])
    clock.advance(1)
    expect(await secret()).toEqual([two])
  })

  it('asks again at once after a mismatch, but not more often than minIntervalMs, however many there are', async () => {
    const { secret, onDelivery, store, clock } = rotating({ minIntervalMs: 1_000 })
    await secret()
    for (let count = 0; count < 100; count += 1) onDelivery(mismatch)
    expect(store.loads).toBe(1)
    clock.advance(1_000)
    store.secret = two
    expect(await secret()).toEqual([two, one])
    for (let count = 0; count < 100; count += 1) {
      onDelivery(mismatch)
      await secret()
    }
    expect(store.loads).toBe(2)
  })

  it('other outcomes do not have it ask', async () => {
    const { secret, onDelivery, store, clock } = rotating()
    await secret()
    clock.advance(10_000)
    onDelivery({ result: 'accepted' })
    onDelivery({ result: 'handler_failed' })
    await secret()
    expect(store.loads).toBe(1)
  })

  it('serves what it knows while the store is out of reach, and fails only where it knows nothing', async () => {
    const { secret, store, clock } = rotating({ maxAgeMs: 1_000 })
    store.failing = true
    await expect(secret()).rejects.toThrow('out of reach')
    store.failing = false
    clock.advance(1_000)
    expect(await secret()).toEqual([one])
    store.failing = true
    clock.advance(1_000)
    expect(await secret()).toEqual([one])
    await secret()
    expect(store.loads).toBe(3)
  })

  it('does not wait for a store that hangs where the age of the answer is the only reason to ask', async () => {
    let isFirst = true
    const { secret, clock } = rotating({
      maxAgeMs: 1_000,
      load: () => {
        if (!isFirst) return new Promise<string>(() => {})
        isFirst = false
        return one
      },
    })
    await secret()
    clock.advance(1_000)
    expect(await secret()).toEqual([one])
  })

  it('takes no answer for a failure of the store, not for no secret', async () => {
    const { secret, store, clock } = rotating({ maxAgeMs: 1_000 })
    await secret()
    store.secret = undefined
    clock.advance(1_000)
    await secret()
    expect(await secret()).toEqual([one])
  })

  it('never holds more secrets than a receiver takes', async () => {
    const { secret, onDelivery, store, clock } = rotating({ overlapMs: 1e9 })
    for (let count = 0; count < 12; count += 1) {
      await secret()
      store.secret = generateSecret()
      clock.advance(1_000)
      onDelivery(mismatch)
    }
    expect(await secret()).toHaveLength(8)
    expect((await secret())[0]).toBe(store.secret)
  })

  it('refuses times that are none', () => {
    expect(() => rotatingSecret({ load: () => one, overlapMs: -1 })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
  })
})
