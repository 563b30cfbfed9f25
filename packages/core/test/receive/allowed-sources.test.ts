import { describe, expect, it } from 'vitest'
import { createReceiver } from '../../src/index.ts'
import { compileAllowedSources } from '../../src/receive/allowed-sources.ts'
import { answer, atStart, deliver, recordingLogger, secret } from '../deliveries.ts'

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
  ])('%j has %s', (sources, address) => {
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
  ])('%j has not %s', (sources, address) => {
    expect(compileAllowedSources(sources)(address)).toBe(false)
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
  ])('refuses %o', (source) => {
    expect(() => compileAllowedSources([source as string])).toThrow(
      expect.objectContaining({
        code: 'configuration_invalid',
        message: expect.stringContaining('addresses and CIDR ranges'),
      }),
    )
  })

  it.each([[[]], ['192.0.2.0/24'], [null]])('refuses %o, which is no list of sources', (sources) => {
    expect(() => compileAllowedSources(sources as readonly string[])).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    )
  })
})

describe('a receiver with allowedSources', () => {
  const receiver = () =>
    createReceiver({ secret, ...atStart, logger: recordingLogger(), allowedSources: ['192.0.2.0/24'] })

  it.each(['192.0.2.7', '::ffff:192.0.2.7'])('takes a delivery from %s', async (remoteAddress) => {
    expect((await answer(receiver(), deliver(undefined, { remoteAddress }))).status).toBe(202)
  })

  it('refuses a delivery from elsewhere before its body is read, although it is signed', async () => {
    const request = deliver(undefined, { remoteAddress: '203.0.113.9' })
    expect(await answer(receiver(), request)).toEqual({ status: 403, body: { error: 'source_not_allowed' } })
    expect(request.body).not.toHaveBeenCalled()
  })

  it.each([undefined, ''])('takes the address %o for a host that gives none', async (remoteAddress) => {
    expect(await answer(receiver(), deliver(undefined, { remoteAddress }))).toEqual({
      status: 500,
      body: { error: 'configuration_invalid' },
    })
  })
})
