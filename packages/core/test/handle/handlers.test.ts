import { describe, expect, it } from 'vitest'
import { combineFailures } from '../../src/handle/handlers.ts'
import { createReceiver, type Delivery, PermanentError, RetryLaterError, type WebhookEvent } from '../../src/index.ts'
import { answer, atStart, deliver, eventOf, recordingLogger, secret } from '../deliveries.ts'

interface ShopEvents {
  'order.paid': { readonly total: number }
  'order.sent': { readonly carrier: string }
  ping: { readonly at: string }
}

function shop(eventTypes?: readonly (keyof ShopEvents)[]) {
  const logger = recordingLogger()
  const calls: string[] = []
  const receiver = createReceiver<ShopEvents>({ secret, eventTypes, logger, ...atStart })
  return { receiver, calls, logger, note: (name: string) => () => void calls.push(name) }
}

describe('dispatch', () => {
  it('calls exact handlers first, then the family, then "*", each in order of registration', async () => {
    const calls: string[] = []
    const note = (name: string) => () => void calls.push(name)
    const receiver = createReceiver({
      secret,
      ...atStart,
      onEvent: { '*': note('* 1'), 'job.*': note('job 1'), 'job.created': note('exact 1') },
    })
    receiver
      .onEvent('job.*', note('job 2'))
      .onEvent('*', note('* 2'))
      .onEvent(['job.created', 'artifact.ready'], note('exact 2'))
    expect(await answer(receiver)).toEqual({ status: 202, body: { status: 'accepted' } })
    expect(calls).toEqual(['exact 1', 'exact 2', 'job 1', 'job 2', '* 1', '* 2'])
  })

  it('waits for each handler before it calls the next', async () => {
    const calls: string[] = []
    const receiver = createReceiver({ secret, ...atStart })
    receiver.onEvent('job.created', async () => {
      await new Promise(setImmediate)
      calls.push('first')
    })
    receiver.onEvent('job.created', () => void calls.push('second'))
    await answer(receiver)
    expect(calls).toEqual(['first', 'second'])
  })

  it('gives the event that is being dispatched to the handlers that were there when it began', async () => {
    const receiver = createReceiver({ secret, ...atStart })
    let calls = 0
    receiver.onEvent('job.created', function again() {
      calls += 1
      receiver.onEvent('job.created', again)
    })
    await answer(receiver)
    expect(calls).toBe(1)
    await answer(receiver, deliver(eventOf('job.created', {}, 'event_2')))
    expect(calls).toBe(3)
  })

  it('leaves an event alone that no handler wants', async () => {
    const calls: string[] = []
    const receiver = createReceiver({
      secret,
      ...atStart,
      onEvent: { 'artifact.*': () => void calls.push('artifact') },
    })
    expect(await answer(receiver)).toEqual({ status: 202, body: { status: 'accepted' } })
    expect(calls).toEqual([])
  })

  it('registers undefined in the map as nothing', async () => {
    const receiver = createReceiver({ secret, ...atStart, onEvent: { 'job.created': undefined } })
    expect((await answer(receiver)).status).toBe(202)
  })

  it('tells a handler everything about the delivery', async () => {
    let told: Delivery<string> | undefined
    const receiver = createReceiver<ShopEvents, string>({ secret, ...atStart })
    receiver.onEvent('ping', (_event, delivery) => {
      told = delivery
    })
    const request = deliver(eventOf('ping'))
    await receiver.receive(request, 'the context')
    expect(told).toMatchObject({
      id: 'msg_1',
      sentAt: new Date(atStart.now()),
      receivedAt: new Date(atStart.now()),
      attempt: 1,
      secretIndex: 0,
      context: 'the context',
      rawBody: Buffer.from(JSON.stringify(eventOf('ping'))),
    })
    expect(told?.signal.aborted).toBe(false)
    expect(told?.signal).toBe(told?.signal)
  })

  it.each([
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'undefined',
    '*',
    'job.*',
    'job',
    'job.unheard',
    '.created',
  ])('gives an event of type %j to onUnknownEvent only', async (type) => {
    const known: string[] = []
    const unknown: WebhookEvent[] = []
    const receiver = createReceiver({
      secret,
      ...atStart,
      onEvent: { '*': () => void known.push('*'), 'job.*': () => void known.push('job.*') },
      onUnknownEvent: (event) => void unknown.push(event),
    })
    expect(await answer(receiver, deliver(eventOf(type)))).toEqual({ status: 202, body: { status: 'accepted' } })
    expect(known).toEqual([])
    expect(unknown).toEqual([eventOf(type)])
  })

  it('acknowledges an unknown event without onUnknownEvent', async () => {
    const receiver = createReceiver({ secret, ...atStart })
    expect(await answer(receiver, deliver(eventOf('tomorrow.event')))).toEqual({
      status: 202,
      body: { status: 'accepted' },
    })
  })

  it('tells onUnknownEvent once per event', async () => {
    const ids: string[] = []
    const receiver = createReceiver({
      secret,
      ...atStart,
      onUnknownEvent: (event, delivery) => void ids.push(event.event_id, delivery.id),
    })
    await answer(receiver, deliver(eventOf('tomorrow.event')))
    expect(await answer(receiver, deliver(eventOf('tomorrow.event'), { id: 'msg_2' }))).toMatchObject({
      body: { status: 'duplicate' },
    })
    expect(ids).toEqual(['event_1', 'msg_1'])
  })
})

describe('a catalogue of one’s own', () => {
  it('knows the types that handlers name', async () => {
    const { receiver, calls, note } = shop([])
    receiver.onEvent('order.paid', note('exact')).onEvent('order.*', note('family')).onEvent('*', note('all'))
    await answer(receiver, deliver(eventOf('order.paid')))
    expect(calls).toEqual(['exact', 'family', 'all'])
  })

  it('knows the types that eventTypes lists, for families and "*"', async () => {
    const { receiver, calls, note } = shop(['order.sent', 'ping'])
    receiver.onEvent('order.*', note('family')).onEvent('*', note('all'))
    await answer(receiver, deliver(eventOf('order.sent', {}, 'event_1')))
    await answer(receiver, deliver(eventOf('ping', {}, 'event_2')))
    await answer(receiver, deliver(eventOf('order.paid', {}, 'event_3')))
    expect(calls).toEqual(['family', 'all', 'all'])
  })

  it('puts a type without a full stop into no family', async () => {
    const calls: string[] = []
    const receiver = createReceiver<{ ping: object; 'undefined.x': object }>({ secret, ...atStart })
    receiver.onEvent('ping', () => void calls.push('ping')).onEvent('undefined.*', () => void calls.push('family'))
    await answer(receiver, deliver(eventOf('ping')))
    expect(calls).toEqual(['ping'])
  })

  it('warns at the start of families that no known type is in, and only of those', async () => {
    const { receiver, logger, note } = shop(['ping'])
    receiver.onEvent('order.*', note('family')).onEvent('ping', note('ping')).onEvent('*', note('all'))
    await receiver.start()
    await receiver.start()
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: { code: expect.stringContaining("'order.*'") },
        message: "[scrapenest webhooks] No event type matches 'order.*'.",
      },
    ])
  })

  it('warns of nothing when each pattern can match', async () => {
    const logger = recordingLogger()
    const receiver = createReceiver({
      secret,
      logger,
      onEvent: { 'job.*': () => {}, 'artifact.ready': () => {}, '*': () => {} },
    })
    await receiver.start()
    expect(logger.lines).toEqual([])
  })
})

describe('onEvent', () => {
  it.each(['', ' ', 'job.**', '*.created', 'job.*.x', 'a.b.*', 'job created', '.*', undefined, 7])(
    'refuses the pattern %o',
    (pattern) => {
      const receiver = createReceiver<Record<string, unknown>>({ secret })
      expect(() => receiver.onEvent(pattern as string, () => {})).toThrow(
        expect.objectContaining({
          code: 'configuration_invalid',
          message: expect.stringContaining('Expected an event pattern to be'),
        }),
      )
    },
  )

  it.each([undefined, null, 'save', {}])('refuses the handler %o', (handler) => {
    const receiver = createReceiver({ secret })
    expect(() => receiver.onEvent('job.created', handler as () => void)).toThrow(
      expect.objectContaining({
        code: 'configuration_invalid',
        message: expect.stringContaining("handler of 'job.created'"),
      }),
    )
  })
})

describe('combineFailures', () => {
  const permanent = new PermanentError('gone')
  const later = new RetryLaterError('soon', { retryAfterSeconds: 5 })
  const muchLater = new RetryLaterError('not soon', { retryAfterSeconds: 50 })
  const broken = new Error('broken')

  it.each([
    ['one unexpected error', [broken], { code: 'handler_failed', cause: broken }],
    ['unexpected and permanent', [permanent, broken], { code: 'handler_failed', cause: broken }],
    ['unexpected and later', [later, broken], { code: 'handler_failed', cause: broken }],
    ['later and permanent', [permanent, later], later],
    ['two times: the longer one', [later, muchLater, later], muchLater],
    ['permanent alone: the first one', [permanent, new PermanentError('too')], permanent],
    ['undefined, which can be thrown as well', [undefined], { code: 'handler_failed', cause: undefined }],
  ])('%s', (_given, failures, expected) => {
    expect(combineFailures(failures)).toMatchObject(expected)
  })

  it('gathers several unexpected errors in one', () => {
    const { code, cause } = combineFailures([broken, permanent, 'text'])
    expect(code).toBe('handler_failed')
    expect(cause).toBeInstanceOf(AggregateError)
    expect((cause as AggregateError).errors).toEqual([broken, 'text'])
  })
})
