import { expect, it } from 'vitest'
import { type SimulatorOptions, startSimulator } from '../src/index.ts'

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
