import { expect, it } from 'vitest'
import { type SimulatorOptions, startSimulator } from '../src/index.ts'
import { readSimulatorOptions } from '../src/options.ts'

it.each([
  [{ faults: { tampered: 1 } }, /Unknown fault/],
  [{ faults: { tamper: 2 } }, /between 0 and 1/],
  [{ speed: 0 }, /speed/],
  [{ speed: Infinity }, /speed/],
  [{ signatureKey: 'base64' }, /signatureKey/],
  [{ retryDelaysMs: [1_000, Number.NaN] }, /retryDelaysMs\[1\]/],
  [{ onAttempt: 'log' }, /onAttempt to be a function/],
  [{ port: 65_536 }, /port to be a whole number from 0 to 65535/],
  [{ prot: 1 }, /Unknown option/],
])('refuses %o', async (options, message) => {
  await expect(startSimulator(options as SimulatorOptions)).rejects.toThrow(message)
})

it('takes no option from a polluted prototype', () => {
  Object.assign(Object.prototype, { apiKey: 'known', retryDelaysMs: [1] })
  try {
    expect(readSimulatorOptions({})).toMatchObject({ apiKey: expect.stringMatching(/^sn_test_/) })
    expect(readSimulatorOptions({}).retryDelaysMs.length).toBeGreaterThan(1)
  } finally {
    for (const name of ['apiKey', 'retryDelaysMs']) Reflect.deleteProperty(Object.prototype, name)
  }
})

it('uses the default of an option that is undefined', () => {
  const names = ['port', 'apiKey', 'speed', 'retryDelaysMs', 'urlTtlSeconds', 'signatureKey', 'faults', 'random']
  const { apiKey, random, ...settings } = readSimulatorOptions(
    Object.fromEntries(names.map((name) => [name, undefined])),
  )
  const { apiKey: _key, random: _random, ...defaults } = readSimulatorOptions({})
  expect(settings).toEqual(defaults)
  expect(apiKey).toMatch(/^sn_test_/)
  expect(random).toBe(Math.random)
})
