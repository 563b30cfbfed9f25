import { describe, expect, it } from 'vitest'
import { loggerOf, remoteAddressOf } from '../../src/receive/request.ts'
import { deliver, failing, recordingLogger } from '../deliveries.ts'

describe('what a host reports about a request', () => {
  it('is its address and its logger', () => {
    const logger = recordingLogger()
    const request = deliver(undefined, { logger, remoteAddress: '192.0.2.1' })
    expect([remoteAddressOf(request), loggerOf(request)]).toEqual(['192.0.2.1', logger])
  })

  it.each(['', undefined])('has no address if the host reports %o', (remoteAddress) => {
    expect(remoteAddressOf(deliver(undefined, { remoteAddress }))).toBeUndefined()
  })

  it('is undefined if a getter throws', () => {
    const request = Object.defineProperties(deliver(), {
      remoteAddress: { get: failing(new Error('no')) },
      logger: { get: failing(new Error('no')) },
    })
    expect([remoteAddressOf(request), loggerOf(request)]).toEqual([undefined, undefined])
  })
})
