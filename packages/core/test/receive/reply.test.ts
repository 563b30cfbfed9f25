import { describe, expect, it } from 'vitest'
import { closingConnection, errorReply, notFoundReply } from '../../src/adapter.ts'
import { WebhookError } from '../../src/index.ts'
import { replyTo } from '../../src/receive/reply.ts'
import { deliver, testReceiver } from '../deliveries.ts'

const json = { 'content-type': 'application/json; charset=utf-8' }

describe('a reply', () => {
  it.each(['accepted', 'duplicate', 'dropped'] as const)('to an acknowledged delivery: %s', (acknowledgement) => {
    expect(replyTo({ acknowledgement })).toEqual({
      status: 202,
      headers: json,
      body: JSON.stringify({ status: acknowledgement }),
    })
  })

  it('names the allowed method', () => {
    expect(errorReply(new WebhookError('method_not_allowed'))).toEqual({
      status: 405,
      headers: { ...json, allow: 'POST' },
      body: '{"error":"method_not_allowed"}',
    })
  })

  it.each([
    ['event_in_progress', '10'],
    ['handler_timeout', '30'],
    ['receiver_closing', '30'],
    ['secret_unavailable', '30'],
    ['store_unavailable', '30'],
  ] as const)('says when to retry: %s', (code, seconds) => {
    expect(errorReply(new WebhookError(code)).headers).toEqual({ ...json, 'retry-after': seconds })
  })

  it('is frozen, headers included', async () => {
    const reply = await testReceiver().receive(deliver())
    expect([Object.isFrozen(reply), Object.isFrozen(reply.headers)]).toEqual([true, true])
  })
})

describe('closingConnection', () => {
  it('adds the header and does not change the original', () => {
    expect(closingConnection(notFoundReply)).toEqual({
      status: 404,
      headers: { ...json, connection: 'close' },
      body: '{"error":"not_found"}',
    })
    expect(notFoundReply.headers).toEqual(json)
  })
})
