import { describe, expect, it, vi } from 'vitest'
import { compileAllowedSources } from '../../src/receive/allowed-sources.ts'
import { answer, deliver, failing, refusal, testReceiver } from '../deliveries.ts'

describe('compileAllowedSources', () => {
  it.each<[readonly string[], string]>([
    [['192.0.2.0/24'], '192.0.2.255'],
    [['192.0.2.7'], '192.0.2.7'],
    [['192.0.2.7/32'], '192.0.2.7'],
    [['0.0.0.0/0'], '203.0.113.1'],
    [['198.51.100.0/24', '192.0.2.0/24'], '192.0.2.1'],
    [['2001:db8::/32'], '2001:db8::1'],
    [['2001:db8::1'], '2001:DB8:0:0::1'],
    [['fe80::/10'], 'fe80::1%eth0'],
    [['192.0.2.0/24'], '::ffff:192.0.2.7'],
    [['192.0.2.0/24'], '::FFFF:192.0.2.7'],
    [['192.0.2.0/24'], '::ffff:c000:207'],
    [['::ffff:192.0.2.0/120'], '192.0.2.7'],
    [['::ffff:192.0.2.0/120'], '::ffff:192.0.2.7'],
    [['192.0.2.0/24'], '192.0.2.9:54321'],
    [['192.0.2.0/24'], '[::ffff:192.0.2.9]:443'],
    [['2001:db8::/32'], '[2001:db8::1]:443'],
    [['2001:db8::/32'], '[2001:db8::1]'],
  ])('%j includes %s', (sources, address) => {
    expect(compileAllowedSources(sources)(address)).toBe(true)
  })

  it.each<[readonly string[], string]>([
    [['192.0.2.0/24'], '192.0.3.0'],
    [['192.0.2.7'], '192.0.2.8'],
    [['192.0.2.0/24'], '::ffff:192.0.3.7'],
    [['192.0.2.0/24'], '::192.0.2.7'],
    [['192.0.2.0/24'], '2001:db8::1'],
    [['2001:db8::/32'], '2001:db9::1'],
    [['2001:db8::/32'], '192.0.2.7'],
    [['0.0.0.0/0'], ''],
    [['0.0.0.0/0'], 'localhost'],
    [['0.0.0.0/0'], '::ffff:999.0.2.7'],
    [['0.0.0.0/0'], '192.0.2.7, 198.51.100.1'],
    [['192.0.2.0/24'], '192.0.3.9:54321'],
    [['2001:db8::/32'], '[2001:db9::1]:443'],
    [['192.0.2.0/24'], '[192.0.2.9'],
    [['0.0.0.0/0', '::/0'], '192.0.2.9:port'],
    [['0.0.0.0/0', '::/0'], '192.0.2.9:'],
    [['0.0.0.0/0', '::/0'], '[]:443'],
    [['0.0.0.0/0', '::/0'], '[localhost]:443'],
  ])('%j does not include %s', (sources, address) => {
    expect(compileAllowedSources(sources)(address)).toBe(false)
  })

  it.each([7, {}, ['192.0.2.7'], undefined])('does not include what is not a string: %o', (address) => {
    expect(compileAllowedSources(['0.0.0.0/0'])(address as string)).toBe(false)
  })

  it.each([
    '',
    'localhost',
    '192.0.2',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '192.0.2.0/8/8',
    '2001:db8::/129',
    '192.0.2.0/2 4',
    '*',
    7,
    undefined,
  ])('rejects %o', (source) => {
    expect(() => compileAllowedSources([source as string])).toThrow(
      refusal('configuration_invalid', 'Expected allowedSources to be addresses and CIDR ranges'),
    )
  })

  it.each([[[]], ['192.0.2.0/24'], [null]])('rejects %o, which is not a list of sources', (sources) => {
    expect(() => compileAllowedSources(sources as readonly string[])).toThrow(refusal('configuration_invalid'))
  })
})

describe('a receiver with allowedSources', () => {
  const allowedSources = ['192.0.2.0/24']
  const refused = { status: 403, body: { error: 'source_not_allowed' } }

  it.each(['192.0.2.7', '::ffff:192.0.2.7', '192.0.2.7:54321'])('accepts a delivery from %s', async (remoteAddress) => {
    const receiver = testReceiver({ allowedSources })
    expect((await answer(receiver, deliver(undefined, { remoteAddress }))).status).toBe(202)
  })

  it('refuses a signed delivery from elsewhere before its body is read', async () => {
    const request = deliver(undefined, { remoteAddress: '203.0.113.9' })
    expect(await answer(testReceiver({ allowedSources }), request)).toEqual(refused)
    expect(request.body).not.toHaveBeenCalled()
  })

  it.each([undefined, ''])('refuses deliveries without an address with one warning: %o', async (remoteAddress) => {
    const onError = vi.fn()
    const receiver = testReceiver({ allowedSources, onError })
    for (let count = 0; count < 20; count += 1) {
      expect(await answer(receiver, deliver(undefined, { remoteAddress }))).toEqual(refused)
    }
    expect(onError).not.toHaveBeenCalled()
    expect(receiver.lines).toMatchObject([
      { level: 'warn', message: expect.stringContaining('The host reports no client address.') },
    ])
  })

  it('refuses a delivery whose address cannot be read', async () => {
    const request = Object.defineProperty(deliver(), 'remoteAddress', { get: failing(new Error('no')) })
    expect(await answer(testReceiver({ allowedSources }), request)).toEqual(refused)
  })
})
