import { describe, expect, it, vi } from 'vitest'
import { generateSecret, type RotatingSecretOptions, rotatingSecret } from '../../src/index.ts'
import { answer, atStart, deliver, fakeClock, refusal, testReceiver } from '../deliveries.ts'

const [one, two] = [generateSecret(), generateSecret()]
const mismatch = { result: 'signature_mismatch' } as const

function rotating(options: Partial<RotatingSecretOptions> = {}) {
  const clock = fakeClock()
  const store = { secret: one as string | undefined, loads: 0, failing: false }
  const source = rotatingSecret({
    load: async () => {
      store.loads += 1
      if (store.failing) throw new Error('the store is down')
      return store.secret
    },
    now: clock.now,
    ...options,
  })
  return { clock, store, ...source }
}

describe('rotatingSecret', () => {
  it('loads once for many deliveries, and again when the secrets are older than maxAgeMs', async () => {
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

  it('returns the new secret first, and the old one for overlapMs more', async () => {
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

  it('reloads at once after a mismatch, at most every minIntervalMs however many there are', async () => {
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

  it('does not reload after other outcomes', async () => {
    const { secret, onDelivery, store, clock } = rotating()
    await secret()
    clock.advance(10_000)
    onDelivery({ result: 'accepted' })
    onDelivery({ result: 'handler_failed' })
    await secret()
    expect(store.loads).toBe(1)
  })

  it('returns the known secrets while the store is down, and rejects only while there are none', async () => {
    const { secret, store, clock } = rotating({ maxAgeMs: 1_000 })
    store.failing = true
    await expect(secret()).rejects.toThrow('the store is down')
    store.failing = false
    clock.advance(1_000)
    expect(await secret()).toEqual([one])
    store.failing = true
    clock.advance(1_000)
    expect(await secret()).toEqual([one])
    await secret()
    expect(store.loads).toBe(3)
  })

  it('returns the known secrets when the store is down after a mismatch, and asks it again later', async () => {
    const { secret, onDelivery, store, clock } = rotating()
    await secret()
    store.failing = true
    clock.advance(1_000)
    onDelivery(mismatch)
    expect(await secret()).toEqual([one])
    store.failing = false
    store.secret = two
    clock.advance(1_000)
    expect(await secret()).toEqual([two, one])
    expect(store.loads).toBe(3)
  })

  it('does not wait for a hanging store when it only reloads because of age', async () => {
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

  it('treats an empty answer as a failure of the store and keeps the known secret', async () => {
    const { secret, store, clock } = rotating({ maxAgeMs: 1_000 })
    await secret()
    store.secret = undefined
    clock.advance(1_000)
    await secret()
    expect(await secret()).toEqual([one])
  })

  it.each([undefined, 'secret'])('rejects %o as load', (load) => {
    expect(() => rotatingSecret({ load: load as unknown as () => string })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringContaining('load') }),
    )
  })

  it('never returns more secrets than a receiver accepts', async () => {
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

  it('uses the real clock by default, also one that is mocked later', async () => {
    const load = vi.fn(() => one)
    const { secret } = rotatingSecret({ load, maxAgeMs: 60_000 })
    await secret()
    await secret()
    expect(load).toHaveBeenCalledTimes(1)
    vi.useFakeTimers({ now: Date.now() + 60_000 })
    await secret()
    vi.useRealTimers()
    expect(load).toHaveBeenCalledTimes(2)
  })

  it.each(['overlapMs', 'maxAgeMs', 'minIntervalMs'])('rejects an invalid %s', (name) => {
    expect(() => rotatingSecret({ load: () => one, [name]: -1 })).toThrow(refusal('configuration_invalid', name))
  })

  it('works as the options of a receiver: a delivery refused during the rotation passes when it is retried', async () => {
    const { secret, onDelivery, store, clock } = rotating()
    const receiver = testReceiver({ secret, onDelivery, now: atStart.now })
    const signed = (key: string, id: string) => deliver({ event_type: 'job.created', event_id: id }, { secret: key })
    expect((await answer(receiver, signed(one, 'event_1'))).status).toBe(202)
    store.secret = two
    clock.advance(1_000)
    expect(await answer(receiver, signed(two, 'event_2'))).toEqual({
      status: 400,
      body: { error: 'signature_mismatch' },
    })
    expect((await answer(receiver, signed(two, 'event_2'))).status).toBe(202)
    expect((await answer(receiver, signed(one, 'event_3'))).status).toBe(202)
  })
})
