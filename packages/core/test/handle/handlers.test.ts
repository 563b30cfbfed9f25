import * as v from 'valibot'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { combineFailures } from '../../src/handle/handlers.ts'
import {
  createReceiver,
  type Delivery,
  PermanentError,
  RetryLaterError,
  type StandardSchema,
  type WebhookEvent,
} from '../../src/index.ts'
import {
  answer,
  atStart,
  deliver,
  eventOf,
  failing,
  recordingLogger,
  refusal,
  secret,
  settle,
  startMs,
  testReceiver,
} from '../deliveries.ts'

interface ShopEvents {
  'order.paid': { readonly total: number }
  'order.sent': { readonly carrier: string }
  ping: { readonly at: string }
}

const accepted = { status: 202, body: { status: 'accepted' } }

/** Records the names of the handlers that are called. */
function recordCalls() {
  const calls: string[] = []
  return { calls, note: (name: string) => () => void calls.push(name) }
}

function shopReceiver(eventTypes?: readonly (keyof ShopEvents)[]) {
  const logger = recordingLogger()
  const receiver = createReceiver<ShopEvents, string>({ secret, eventTypes, logger, ...atStart })
  return { receiver, lines: logger.lines, ...recordCalls() }
}

describe('handlers', () => {
  it('run in order: exact type, family, "*", each in order of registration', async () => {
    const { calls, note } = recordCalls()
    const receiver = testReceiver({
      onEvent: { '*': note('* 1'), 'job.*': note('job 1'), 'job.created': note('exact 1') },
    })
    receiver
      .onEvent('job.*', note('job 2'))
      .onEvent('*', note('* 2'))
      .onEvent(['job.created', 'artifact.ready'], note('exact 2'))
    expect(await answer(receiver)).toEqual(accepted)
    expect(calls).toEqual(['exact 1', 'exact 2', 'job 1', 'job 2', '* 1', '* 2'])
  })

  it('run one after another', async () => {
    const { calls, note } = recordCalls()
    const receiver = testReceiver()
    receiver.onEvent('job.created', async () => {
      await settle()
      calls.push('first')
    })
    receiver.onEvent('job.created', note('second'))
    await answer(receiver)
    expect(calls).toEqual(['first', 'second'])
  })

  it('run even if an earlier one failed', async () => {
    const { calls, note } = recordCalls()
    await answer(testReceiver({ onEvent: { 'job.created': failing(new Error('no')), '*': note('second') } }))
    expect(calls).toEqual(['second'])
  })

  it('do not see an event that was already being dispatched when they were added', async () => {
    const receiver = testReceiver()
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

  it('do not see events of other patterns', async () => {
    const { calls, note } = recordCalls()
    expect(await answer(testReceiver({ onEvent: { 'artifact.*': note('artifact') } }))).toEqual(accepted)
    expect(calls).toEqual([])
  })

  it('may be undefined in the option', async () => {
    expect(await answer(testReceiver({ onEvent: { 'job.created': undefined } }))).toEqual(accepted)
  })

  it('get the facts of the delivery', async () => {
    const deliveries: Delivery<string>[] = []
    const { receiver } = shopReceiver()
    receiver.onEvent('ping', (_event, delivery) => void deliveries.push(delivery))
    const request = deliver(eventOf('ping'), { sentAtMs: startMs - 5000 })
    await receiver.receive(request, 'the context')
    expect(deliveries).toEqual([
      {
        messageId: 'msg_1',
        sentAt: new Date(startMs - 5000),
        receivedAt: new Date(startMs),
        attempt: 1,
        secretIndex: 0,
        context: 'the context',
        rawBody: Buffer.from(JSON.stringify(eventOf('ping'))),
        signal: expect.any(AbortSignal),
      },
    ])
    expect(deliveries[0]?.signal.aborted).toBe(false)
  })
})

describe('an event of an unknown type', () => {
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
  ])('reaches onUnknownEvent only: %j', async (type) => {
    const { calls, note } = recordCalls()
    const unknown: WebhookEvent[] = []
    const receiver = testReceiver({
      onEvent: { '*': note('*'), 'job.*': note('job.*') },
      onUnknownEvent: (event) => void unknown.push(event),
    })
    expect(await answer(receiver, deliver(eventOf(type)))).toEqual(accepted)
    expect(calls).toEqual([])
    expect(unknown).toEqual([eventOf(type)])
  })

  it('is acknowledged without onUnknownEvent and without a warning', async () => {
    const receiver = testReceiver()
    expect(await answer(receiver, deliver(eventOf('event.of.tomorrow')))).toEqual(accepted)
    expect(receiver.lines).toEqual([])
  })

  it('reaches onUnknownEvent once', async () => {
    const ids: string[] = []
    const receiver = testReceiver({
      onUnknownEvent: (event, { messageId }) => void ids.push(event.event_id, messageId),
    })
    await answer(receiver, deliver(eventOf('event.of.tomorrow')))
    expect(await answer(receiver, deliver(eventOf('event.of.tomorrow'), { id: 'msg_2' }))).toMatchObject({
      body: { status: 'duplicate' },
    })
    expect(ids).toEqual(['event_1', 'msg_1'])
  })
})

describe('a custom catalog', () => {
  it('includes the types that handlers name', async () => {
    const { receiver, calls, note } = shopReceiver([])
    receiver.onEvent('order.paid', note('exact')).onEvent('order.*', note('family')).onEvent('*', note('all'))
    await answer(receiver, deliver(eventOf('order.paid')))
    expect(calls).toEqual(['exact', 'family', 'all'])
  })

  it('includes the types in eventTypes, for families and "*"', async () => {
    const { receiver, calls, note } = shopReceiver(['order.sent', 'ping'])
    receiver.onEvent('order.*', note('family')).onEvent('*', note('all'))
    await answer(receiver, deliver(eventOf('order.sent', {}, 'event_1')))
    await answer(receiver, deliver(eventOf('ping', {}, 'event_2')))
    await answer(receiver, deliver(eventOf('order.paid', {}, 'event_3')))
    expect(calls).toEqual(['family', 'all', 'all'])
  })

  it('has the types in eventTypes instead of those of ScrapeNest', async () => {
    const { calls, note } = recordCalls()
    const receiver = testReceiver({
      eventTypes: ['artifact.ready'],
      onEvent: { '*': note('all') },
      onUnknownEvent: note('unknown'),
    })
    await answer(receiver, deliver(eventOf('artifact.ready', {}, 'event_1')))
    await answer(receiver, deliver(eventOf('job.created', {}, 'event_2')))
    expect(calls).toEqual(['all', 'unknown'])
  })

  it('has no family for a type without a period', async () => {
    const { calls, note } = recordCalls()
    const receiver = createReceiver<{ ping: object; 'undefined.x': object; 'pin.x': object }>({ secret, ...atStart })
    receiver.onEvent('ping', note('ping')).onEvent('undefined.*', note('undefined')).onEvent('pin.*', note('pin'))
    await answer(receiver, deliver(eventOf('ping')))
    expect(calls).toEqual(['ping'])
  })

  it('is compared with the patterns at start: each that matches no type is named once', async () => {
    const { receiver, lines, note } = shopReceiver(['ping'])
    receiver.onEvent('order.*', note('family')).onEvent('ping', note('ping')).onEvent('*', note('all'))
    await receiver.start()
    await receiver.start()
    expect(lines).toEqual([
      { level: 'warn', fields: {}, message: "[scrapenest webhooks] No event type matches 'order.*'." },
    ])
  })

  it('causes no warning when each pattern can match', async () => {
    const receiver = testReceiver({ onEvent: { 'job.*': () => {}, 'artifact.ready': () => {}, '*': () => {} } })
    await receiver.start()
    expect(receiver.lines).toEqual([])
  })
})

describe('a handler that is added late', () => {
  async function lateWarnings(arrived: readonly string[], pattern: string): Promise<readonly string[]> {
    const logger = recordingLogger()
    const receiver = createReceiver<Record<string, unknown>>({ secret, eventTypes: [], logger, ...atStart })
    for (const [index, type] of arrived.entries()) await answer(receiver, deliver(eventOf(type, {}, `event_${index}`)))
    receiver.onEvent(pattern, () => {})
    return logger.lines.map(({ message }) => message).filter((message) => message.includes('was added late'))
  }

  it.each([
    ['order.paid', ['order.paid'], '1 event'],
    ['order.paid', ['order.paid', 'order.paid', 'order.sent'], '2 events'],
    ['order.*', ['order.paid', 'order.sent', 'ping'], '2 events'],
    ['*', ['order.paid', 'order.sent', 'ping'], '3 events'],
  ])('for %s is warned about with the number of events that ended without it: %j', async (pattern, arrived, count) => {
    expect(await lateWarnings(arrived, pattern)).toEqual([
      `[scrapenest webhooks] The handler for '${pattern}' was added late: ${count} had already ended without a handler. Add handlers before the receiver starts. An inbox can replay unhandled events.`,
    ])
  })

  it('causes no warning if none of its events have arrived', async () => {
    expect(await lateWarnings(['ping'], 'order.paid')).toEqual([])
  })

  it('is noticed for the first thousand types, because a sender may invent types', async () => {
    const types = Array.from({ length: 1001 }, (_, index) => `type_${index}`)
    expect(await lateWarnings([...types, 'type_999'], 'type_999')).toEqual([
      expect.stringContaining('2 events had already ended'),
    ])
    expect(await lateWarnings(types, 'type_1000')).toEqual([])
  })
})

describe('onEvent', () => {
  it.each(['', ' ', 'job.**', '*.created', 'job.*.x', 'a.b.*', 'job created', '.*', undefined, 7])(
    'rejects the pattern %o',
    (pattern) => {
      const receiver = createReceiver<Record<string, unknown>>({ secret })
      expect(() => receiver.onEvent(pattern as string, () => {})).toThrow(
        refusal('configuration_invalid', 'Expected an event pattern to be'),
      )
    },
  )

  it.each([undefined, null, 'save', {}])('rejects the handler %o', (handler) => {
    const receiver = createReceiver({ secret })
    expect(() => receiver.onEvent('job.created', handler as () => void)).toThrow(
      refusal('configuration_invalid', "handler of 'job.created'"),
    )
  })
})

interface PageEvents {
  'page.saved': { readonly url: URL; readonly size: number }
}
type Schema = StandardSchema<PageEvents['page.saved']>

const zodSchema = z.object({ url: z.string().transform((text) => new URL(text)), size: z.coerce.number().default(0) })
const valibotSchema = v.object({
  url: v.pipe(
    v.string(),
    v.transform((text) => new URL(text)),
  ),
  size: v.optional(v.pipe(v.unknown(), v.transform(Number), v.number()), 0),
})
const saved = (data: unknown) => deliver(eventOf('page.saved', data))

function pageReceiver(schema: Schema) {
  const [handler, onUnknownEvent, onError] = [vi.fn(), vi.fn(), vi.fn()]
  const receiver = createReceiver<PageEvents>({
    secret,
    ...atStart,
    logger: recordingLogger(),
    onError,
    schemas: { 'page.saved': schema },
    onUnknownEvent,
  })
  receiver.onEvent('page.*', handler)
  return { receiver, handler, onError, onUnknownEvent }
}

describe.each<[string, Schema]>([
  ['zod', zodSchema],
  ['valibot', valibotSchema],
])('a schema of %s', (_library, schema) => {
  it('replaces the data with its output', async () => {
    const { receiver, handler } = pageReceiver(schema)
    const request = saved({ url: 'https://shop.example/', size: '12', other: true })
    expect(await answer(receiver, request)).toEqual(accepted)
    const [event, delivery] = handler.mock.calls[0] ?? []
    expect(event).toEqual({ ...eventOf('page.saved'), data: { url: new URL('https://shop.example/'), size: 12 } })
    expect(JSON.parse(delivery.rawBody).data).toHaveProperty('other')
  })

  it('rejects data with 500 before any handler runs, and the sender may retry', async () => {
    const { receiver, handler, onError } = pageReceiver(schema)
    const refused = { status: 500, body: { error: 'schema_mismatch' } }
    expect(await answer(receiver, saved({ url: 7 }))).toEqual(refused)
    expect(await answer(receiver, saved({ url: 7 }))).toEqual(refused)
    expect(handler).not.toHaveBeenCalled()
    expect(onError).toHaveBeenCalledTimes(2)
    expect(onError.mock.calls[0]?.[0]).toMatchObject({
      code: 'schema_mismatch',
      message: expect.stringContaining('The schema for page.saved rejected the data.'),
      issues: [expect.objectContaining({ path: expect.any(Array) })],
    })
    expect(await answer(receiver, saved({ url: 'https://shop.example/' }))).toEqual(accepted)
  })

  it('adds its type to the catalog, so that families and "*" see it', async () => {
    const { receiver, handler, onUnknownEvent } = pageReceiver(schema)
    await answer(receiver, saved({ url: 'https://shop.example/' }))
    expect(handler).toHaveBeenCalledTimes(1)
    expect(onUnknownEvent).not.toHaveBeenCalled()
  })
})

describe('a schema', () => {
  const standard = (validate: Schema['~standard']['validate']): Schema => ({
    '~standard': { version: 1, vendor: 'test', validate },
  })

  it('may be asynchronous', async () => {
    const value = { url: new URL('https://shop.example/'), size: 1 }
    const { receiver, handler } = pageReceiver(standard(async () => ({ value })))
    await answer(receiver, saved({}))
    expect(handler.mock.calls[0]?.[0].data).toBe(value)
  })

  it.each<[string, Schema['~standard']['validate'], unknown]>([
    ['throws', failing(new Error('broken')), new Error('broken')],
    ['rejects', () => Promise.reject(new Error('broken')), new Error('broken')],
    ['returns nothing', () => undefined as never, expect.any(TypeError)],
  ])('that %s counts as rejecting the data, with the reason as the cause', async (_given, validate, cause) => {
    const { receiver, onError } = pageReceiver(standard(validate))
    expect(await answer(receiver, saved({}))).toEqual({ status: 500, body: { error: 'schema_mismatch' } })
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'schema_mismatch', issues: [], cause })
  })

  it.each([
    ['text', 'no url'],
    ['true', true],
    ['an object', { message: 'no url' }],
  ])('that was written by hand and returns %s as its issues rejects the data, once', async (_given, issues) => {
    const { receiver, onError } = pageReceiver(standard(() => ({ issues }) as never))
    expect(await answer(receiver, saved({}))).toEqual({ status: 500, body: { error: 'schema_mismatch' } })
    expect(onError).toHaveBeenCalledOnce()
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'schema_mismatch', issues: [issues] })
  })

  it('that was written by hand and returns null as its issues accepts the data', async () => {
    const { receiver, handler } = pageReceiver(standard(() => ({ value: { size: 2 }, issues: null }) as never))
    await answer(receiver, saved({}))
    expect(handler.mock.calls[0]?.[0].data).toEqual({ size: 2 })
  })

  it('is not called for events of other types', async () => {
    const validate = vi.fn(() => ({ issues: [] }))
    const { receiver } = pageReceiver(standard(validate))
    expect((await answer(receiver, deliver(eventOf('job.created')))).status).toBe(202)
    expect(validate).not.toHaveBeenCalled()
  })
})

describe('combineFailures', () => {
  const permanent = new PermanentError('gone')
  const later = new RetryLaterError('soon', { retryAfterSeconds: 5 })
  const muchLater = new RetryLaterError('not soon', { retryAfterSeconds: 50 })
  const broken = new Error('broken')

  it.each([
    ['one error', [broken], { code: 'handler_failed', cause: broken }],
    ['an error and a PermanentError', [permanent, broken], { code: 'handler_failed', cause: broken }],
    ['an error and a RetryLaterError', [later, broken], { code: 'handler_failed', cause: broken }],
    ['a RetryLaterError and a PermanentError', [permanent, later], later],
    ['several RetryLaterErrors: the longest delay', [later, muchLater, later], muchLater],
    ['several equal delays: the first', [later, new RetryLaterError('too', { retryAfterSeconds: 5 })], later],
    ['several PermanentErrors: the first', [permanent, new PermanentError('too')], permanent],
    ['undefined, which can be thrown too', [undefined], { code: 'handler_failed' }],
  ])('combines %s', (_given, failures, expected) => {
    expect(combineFailures(failures)).toMatchObject(expected)
  })

  it('collects several errors in one AggregateError', () => {
    const { code, cause } = combineFailures([broken, permanent, 'text'])
    expect(code).toBe('handler_failed')
    expect(cause).toBeInstanceOf(AggregateError)
    expect(cause).toMatchObject({ message: 'Several handlers failed.', errors: [broken, 'text'] })
  })
})
