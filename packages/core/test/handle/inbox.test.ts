import { describe, expect, it, vi } from 'vitest'
import { type InboxConnection, type InboxEvent, WebhookError } from '../../src/index.ts'
import {
  answer,
  deliver,
  eventOf,
  failing,
  otherSecret,
  startMs,
  type TestOptions,
  testReceiver,
} from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const unavailable = { status: 503, body: { error: 'store_unavailable' } }

/** A receiver with an inbox whose puts are recorded. */
function receiverWithInbox(options: TestOptions = {}, put: InboxConnection['put'] = async () => 'stored') {
  const inbox = { put: vi.fn(put), start: async () => {}, close: async () => {} }
  return { receiver: testReceiver({ inbox, ...options }), put: inbox.put }
}

describe('a receiver with an inbox', () => {
  it('stores everything needed to process the event later, and runs no handler', async () => {
    const handler = vi.fn()
    const { receiver, put } = receiverWithInbox({ name: 'tenant-1', onEvent: { '*': handler } })
    const request = deliver(eventOf('job.created'), { sentAtMs: startMs - 5000 })
    expect(await answer(receiver, request)).toEqual(accepted)
    const stored: InboxEvent = {
      name: 'tenant-1',
      eventId: 'event_1',
      eventType: 'job.created',
      messageId: 'msg_1',
      sentAt: new Date(startMs - 5000),
      receivedAt: new Date(startMs),
      signedHeaders: {
        'svix-id': 'msg_1',
        'svix-timestamp': String(startMs / 1000 - 5),
        'svix-signature': request.headers['svix-signature'] ?? '',
      },
      body: Buffer.from(JSON.stringify(eventOf('job.created'))),
      secretIndex: 0,
    }
    expect(put.mock.calls).toEqual([[stored]])
    expect(handler).not.toHaveBeenCalled()
  })

  it('stores the headers of the family that verified, and no others', async () => {
    const { receiver, put } = receiverWithInbox()
    const captured = deliver()
    const strangers = deliver(undefined, { secret: otherSecret }).headers['svix-signature']
    const added = {
      'webhook-id': 'x'.repeat(256),
      'webhook-timestamp': captured.headers['svix-timestamp'] ?? '',
      'webhook-signature': `${strangers} ${'v1,x '.repeat(2000)}`,
      'svix-other': 'y',
    }
    const { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': signature } = captured.headers
    expect(await answer(receiver, { ...captured, headers: { ...added, ...captured.headers } })).toEqual(accepted)
    expect(put.mock.calls[0]?.[0].signedHeaders).toEqual({
      'svix-id': id,
      'svix-timestamp': timestamp,
      'svix-signature': signature,
    })
  })

  it('stores the webhook-* family if that one verified', async () => {
    const { receiver, put } = receiverWithInbox()
    const { headers, ...request } = deliver()
    const standard = Object.fromEntries(
      ['id', 'timestamp', 'signature'].map((part) => [`webhook-${part}`, headers[`svix-${part}`] ?? '']),
    )
    const forged = deliver(undefined, { id: 'msg_of_a_stranger', secret: otherSecret }).headers
    expect(await answer(receiver, { ...request, headers: { ...forged, ...standard } })).toEqual(accepted)
    expect(put.mock.calls[0]?.[0]).toMatchObject({ messageId: 'msg_1', signedHeaders: standard })
    expect(Object.keys(put.mock.calls[0]?.[0].signedHeaders ?? {})).toHaveLength(3)
  })

  it('answers duplicate when the inbox does, and does not use the duplicate store', async () => {
    const duplicates = { claim: vi.fn(), complete: vi.fn(), release: vi.fn() }
    const { receiver } = receiverWithInbox({ duplicates }, async () => 'duplicate')
    expect(await answer(receiver)).toEqual({ status: 202, body: { status: 'duplicate' } })
    expect(await answer(receiverWithInbox({ duplicates }).receiver)).toEqual(accepted)
    expect([duplicates.claim, duplicates.complete, duplicates.release].flatMap(({ mock }) => mock.calls)).toEqual([])
  })

  it('stores an event of an unknown type too, because its handler may be deployed later', async () => {
    const { receiver, put } = receiverWithInbox()
    expect(await answer(receiver, deliver(eventOf('new.event')))).toEqual(accepted)
    expect(put).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ eventType: 'new.event' }))
  })

  it('does not check data before it stores it', async () => {
    const validate = vi.fn(() => ({ issues: [{}] }))
    const schemas = { 'job.created': { '~standard': { version: 1, vendor: 'test', validate } } } as const
    expect(await answer(receiverWithInbox({ schemas }).receiver)).toEqual(accepted)
    expect(validate).not.toHaveBeenCalled()
  })

  it.each<[string, InboxConnection['put']]>([
    ['rejects', () => Promise.reject(new Error('disk full'))],
    ['throws', failing(new Error('disk full'))],
  ])('answers 503 when put %s, and reports why', async (_given, put) => {
    const onError = vi.fn()
    expect(await answer(receiverWithInbox({ onError }, put).receiver)).toEqual(unavailable)
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('disk full') }),
      expect.objectContaining({ code: 'store_unavailable', eventId: 'event_1' }),
    )
  })

  it("reports the inbox's own error if that already has the code", async () => {
    const onError = vi.fn()
    const error = new WebhookError('store_unavailable', undefined, { cause: new Error('locked') })
    expect(await answer(receiverWithInbox({ onError }, failing(error)).receiver)).toEqual(unavailable)
    expect(onError.mock.calls[0]?.[0]).toBe(error)
  })

  it.each([undefined, null, true, '', 'inserted', { state: 'stored' }])(
    'does not acknowledge an event for which put returns %o',
    async (result) => {
      const { receiver } = receiverWithInbox({}, async () => result as 'stored')
      expect(await answer(receiver)).toEqual(unavailable)
    },
  )
})
