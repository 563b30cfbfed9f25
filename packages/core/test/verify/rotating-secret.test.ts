import { describe, expect, it, vi } from 'vitest'
import { generateSecret, type RotatingSecretOptions, rotatingSecret, type SecretResult } from '../../src/index.ts'
import {
  answer,
  atStart,
  deferred,
  deliver,
  failing,
  fakeClock,
  hang,
  refusal,
  settle,
  testReceiver,
} from '../deliveries.ts'

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
    onError: () => {},
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
    await settle()
    expect(await secret()).toEqual([two, one])
    clock.advance(9_999)
    expect(await secret()).toEqual([two, one])
    clock.advance(1)
    expect(await secret()).toEqual([two])
  })

  it('ignores options that a polluted prototype sets', async () => {
    Object.assign(Object.prototype, { overlapMs: 1_000_000_000_000 })
    let source: ReturnType<typeof rotating>
    try {
      source = rotating({ maxAgeMs: 1_000 })
    } finally {
      Reflect.deleteProperty(Object.prototype, 'overlapMs')
    }
    const { secret, store, clock } = source
    await secret()
    store.secret = two
    clock.advance(1_000)
    await secret()
    await settle()
    clock.advance(86_400_000)
    expect(await secret()).toEqual([two])
  })

  it('reloads immediately after a mismatch, at most every minIntervalMs', async () => {
    const { secret, onDelivery, store, clock } = rotating({ minIntervalMs: 1_000 })
    await secret()
    for (let count = 0; count < 100; count += 1) onDelivery(mismatch)
    expect(store.loads).toBe(1)
    clock.advance(1_000)
    store.secret = two
    await secret()
    await settle()
    expect(await secret()).toEqual([two, one])
    for (let count = 0; count < 100; count += 1) {
      onDelivery(mismatch)
      await secret()
    }
    expect(store.loads).toBe(2)
    clock.advance(1_000)
    await secret()
    await settle()
    clock.advance(1_000)
    await secret()
    expect(store.loads).toBe(3)
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
    await settle()
    expect(await secret()).toEqual([one])
    store.failing = false
    store.secret = two
    clock.advance(1_000)
    await secret()
    await settle()
    expect(await secret()).toEqual([two, one])
    expect(store.loads).toBe(3)
  })

  /** Loads these in turn, then the last one repeatedly. */
  function loading(...results: readonly (SecretResult | Promise<SecretResult>)[]) {
    let count = 0
    return rotating({
      maxAgeMs: 1_000,
      load: () => {
        count += 1
        return results[Math.min(count, results.length) - 1]
      },
    })
  }

  /** Lets the secrets expire, and waits until they have been read again. */
  async function reloaded({ secret, clock }: ReturnType<typeof rotating>): Promise<readonly string[]> {
    clock.advance(1_000)
    await secret()
    await settle()
    return secret()
  }

  it('does not wait for a hanging store once it knows a secret, whether age or a forgery caused the reload', async () => {
    const source = loading(one, hang())
    await source.secret()
    expect(await reloaded(source)).toEqual([one])
    source.clock.advance(1_000)
    source.onDelivery(mismatch)
    expect(await source.secret()).toEqual([one])
  })

  it('answers genuine deliveries while the store hangs after one forgery', async () => {
    const { secret, onDelivery, clock } = loading(one, hang())
    const receiver = testReceiver({ secret, onDelivery, now: atStart.now })
    const signed = (key: string, id: string) => deliver({ event_type: 'job.created', event_id: id }, { secret: key })
    expect((await answer(receiver, signed(one, 'event_1'))).status).toBe(202)
    clock.advance(1_000)
    expect((await answer(receiver, signed(two, 'event_2'))).status).toBe(400)
    expect((await answer(receiver, signed(one, 'event_3'))).status).toBe(202)
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['an empty text', ''],
    ['an empty list', []],
    ['half a secret', one.slice(0, one.length / 2)],
    ['a secret and an empty text', [two, '']],
    ['a secret with a line break', `${two}\n`],
    ['a number', 7],
    ['nine secrets', Array(9).fill(two)],
  ])('keeps the known secret when load returns %s', async (_what, bad) => {
    const source = loading(one, bad as SecretResult, two)
    await source.secret()
    expect(await reloaded(source)).toEqual([one])
    expect(await reloaded(source)).toEqual([two, one])
  })

  it('reads again after minIntervalMs when a read after a mismatch returned no secret', async () => {
    const { secret, onDelivery, store, clock } = rotating({ maxAgeMs: 1_000_000 })
    await secret()
    store.secret = ''
    clock.advance(1_000)
    onDelivery(mismatch)
    await settle()
    store.secret = two
    clock.advance(1_000)
    await secret()
    await settle()
    expect(await secret()).toEqual([two, one])
  })

  it('reloads if a signature mismatched during a load, which may have missed the new secret', async () => {
    const { promise, resolve } = deferred<string>()
    const results = [one, promise, two]
    const { secret, onDelivery, clock } = rotating({ load: () => results.shift(), maxAgeMs: 1_000_000 })
    await secret()
    clock.advance(1_000)
    onDelivery(mismatch)
    onDelivery(mismatch)
    resolve(one)
    await settle()
    clock.advance(999)
    expect(await secret()).toEqual([one])
    clock.advance(1)
    await secret()
    await settle()
    expect(await secret()).toEqual([two, one])
  })

  it('refuses a secret that is no longer in the list that load returns', async () => {
    const source = loading([two, one], [two])
    expect(await source.secret()).toEqual([two, one])
    expect(await reloaded(source)).toEqual([two])
  })

  it('refuses a single secret once load returns a list without it', async () => {
    const source = loading(one, [two])
    expect(await source.secret()).toEqual([one])
    expect(await reloaded(source)).toEqual([two])
  })

  it('does not let a slow load overwrite the result of a later one', async () => {
    const { promise, resolve } = deferred<readonly string[]>()
    const source = loading(one, promise, [two])
    await source.secret()
    expect(await reloaded(source)).toEqual([one])
    expect(await reloaded(source)).toEqual([two])
    resolve([one])
    await settle()
    expect(await source.secret()).toEqual([two])
  })

  it('calls onError once for a series of failed reloads, and not for failures that the receiver reports', async () => {
    const onError = vi.fn()
    const source = rotating({ onError, maxAgeMs: 1_000 })
    source.store.failing = true
    await expect(source.secret()).rejects.toThrow('the store is down')
    expect(onError).not.toHaveBeenCalled()
    source.store.failing = false
    source.clock.advance(1_000)
    await source.secret()
    for (const bad of ['', 'half']) {
      source.store.secret = bad
      await reloaded(source)
      await reloaded(source)
      source.store.secret = one
      await reloaded(source)
    }
    expect(onError.mock.calls).toEqual([
      [expect.objectContaining({ message: 'load returned no secret.' })],
      [refusal('configuration_invalid')],
    ])
  })

  it('without onError, a failed reload is a process warning that shows no secret', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const half = one.slice(0, 20)
    let loads = 0
    const { secret } = rotatingSecret({ load: () => (loads++ === 0 ? one : half), maxAgeMs: 0, minIntervalMs: 0 })
    await secret()
    await secret()
    await settle()
    expect(emitWarning).toHaveBeenCalledTimes(1)
    const shown = JSON.stringify(emitWarning.mock.calls)
    emitWarning.mockRestore()
    expect(shown).toContain('could not be reloaded')
    expect(shown).not.toContain(half)
  })

  it.each<[string, () => unknown]>([
    ['throws', failing(new Error('the hook'))],
    ['rejects', async () => failing(new Error('the hook'))()],
  ])('survives an onError that %s', async (_how, onError) => {
    const source = rotating({ onError, maxAgeMs: 1_000 })
    await source.secret()
    source.store.failing = true
    expect(await reloaded(source)).toEqual([one])
  })

  it('rejects an onError that is not a function', () => {
    expect(() => rotatingSecret({ load: () => one, onError: 'log' as unknown as () => void })).toThrow(
      refusal('configuration_invalid', 'onError'),
    )
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
      await settle()
    }
    expect(await secret()).toHaveLength(8)
    expect((await secret())[0]).toBe(store.secret)
  })

  it('uses the real clock by default, even if it is mocked later', async () => {
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
    await settle()
    expect((await answer(receiver, signed(two, 'event_2'))).status).toBe(202)
    expect((await answer(receiver, signed(one, 'event_3'))).status).toBe(202)
  })
})
