import { describe, expect, it, vi } from 'vitest'
import { createInboxProcessor } from '../../src/adapter.ts'
import {
  createReceiver,
  type HandlingOptions,
  type InboxConnection,
  type InboxConsumer,
  type InboxEvent,
  PermanentError,
  type ReceiverOptions,
  RetryLaterError,
  type ScrapeNestEvents,
  WebhookError,
} from '../../src/index.ts'
import { answer, atStart, deferred, deliver, eventOf, recordingLogger, secret, startMs } from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const unavailable = { status: 503, body: { error: 'store_unavailable' } }

/** An inbox that keeps what it is given, and lets the test run it. */
function testInbox(put: (event: InboxEvent) => unknown = () => 'stored') {
  const users: InboxConsumer[] = []
  const inbox = {
    put: vi.fn(async (event: InboxEvent) => (await put(event)) as 'stored' | 'duplicate'),
    start: vi.fn(async (user: InboxConsumer) => void users.push(user)),
    close: vi.fn<InboxConnection['close']>(async () => {}),
  } satisfies InboxConnection
  return { inbox, users }
}

function receiverWith(options: Partial<ReceiverOptions<ScrapeNestEvents>> = {}) {
  return createReceiver({ secret, logger: recordingLogger(), ...atStart, ...options })
}

describe('a receiver with an inbox', () => {
  it('stores everything that is needed to process the event later, and runs no handler', async () => {
    const handler = vi.fn()
    const { inbox } = testInbox()
    const request = deliver(eventOf('job.created'), { sentAtMs: startMs - 5000 })
    expect(await answer(receiverWith({ inbox, name: 'tenant-1', onEvent: { '*': handler } }), request)).toEqual(
      accepted,
    )
    expect(inbox.put.mock.calls).toEqual([
      [
        {
          name: 'tenant-1',
          eventId: 'event_1',
          eventType: 'job.created',
          messageId: 'msg_1',
          sentAt: new Date(startMs - 5000),
          receivedAt: new Date(startMs),
          signedHeaders: {
            'svix-id': 'msg_1',
            'svix-timestamp': String(startMs / 1000 - 5),
            'svix-signature': request.headers['svix-signature'],
          },
          body: Buffer.from(JSON.stringify(eventOf('job.created'))),
          secretIndex: 0,
        },
      ],
    ])
    expect(handler).not.toHaveBeenCalled()
  })

  it('says duplicate when the inbox does, and does not ask the store of duplicates', async () => {
    const duplicates = { claim: vi.fn(), complete: vi.fn(), release: vi.fn() }
    const { inbox } = testInbox(() => 'duplicate')
    expect(await answer(receiverWith({ inbox, duplicates }))).toEqual({ status: 202, body: { status: 'duplicate' } })
    expect(await answer(receiverWith({ inbox: testInbox().inbox, duplicates }))).toEqual(accepted)
    expect([duplicates.claim, duplicates.complete, duplicates.release].flatMap(({ mock }) => mock.calls)).toEqual([])
  })

  it('stores an event of an unknown type too: its handler may be deployed tomorrow', async () => {
    const { inbox } = testInbox()
    expect(await answer(receiverWith({ inbox }), deliver(eventOf('new.event')))).toEqual(accepted)
    expect(inbox.put).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ eventType: 'new.event' }))
  })

  it('does not check data before it is stored', async () => {
    const validate = vi.fn(() => ({ issues: [{}] }))
    const { inbox } = testInbox()
    const schemas = { 'job.created': { '~standard': { version: 1, vendor: 'test', validate } } } as const
    expect(await answer(receiverWith({ inbox, schemas }))).toEqual(accepted)
    expect(validate).not.toHaveBeenCalled()
  })

  it.each<[string, InboxConnection['put']]>([
    ['rejects', () => Promise.reject(new Error('disk full'))],
    [
      'throws',
      () => {
        throw new Error('disk full')
      },
    ],
  ])('answers 503 when put %s, and tells onError why', async (_given, put) => {
    const onError = vi.fn()
    const { inbox } = testInbox()
    expect(await answer(receiverWith({ inbox: { ...inbox, put }, onError }))).toEqual(unavailable)
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('disk full') }),
      expect.objectContaining({ code: 'store_unavailable', eventId: 'event_1' }),
    )
  })

  it('passes on what the inbox itself says of its store', async () => {
    const onError = vi.fn()
    const error = new WebhookError('store_unavailable', undefined, { cause: new Error('locked') })
    const { inbox } = testInbox(() => Promise.reject(error))
    expect(await answer(receiverWith({ inbox, onError }))).toEqual(unavailable)
    expect(onError).toHaveBeenCalledExactlyOnceWith(error, expect.objectContaining({ code: 'store_unavailable' }))
    expect(onError.mock.calls[0]?.[0]).toBe(error)
  })

  it('answers 503 when put is not done in time, whatever becomes of it', async () => {
    const storing = deferred<'stored'>()
    const { inbox } = testInbox(() => storing.promise)
    const receiver = receiverWith({ inbox, replyTimeoutMs: 5 })
    expect(await answer(receiver)).toEqual(unavailable)
    storing.reject(new Error('late'))
    await receiver.close()
  })

  it('hands the inbox its processor at start, once', async () => {
    const { inbox, users } = testInbox()
    const receiver = receiverWith({ inbox, name: 'one' })
    await Promise.all([receiver.start(), receiver.start()])
    expect(users).toEqual([{ name: 'one', process: expect.any(Function), report: expect.any(Function) }])
  })

  it('hands no processor where processing is false', async () => {
    const { inbox, users } = testInbox()
    await receiverWith({ inbox, processing: false }).start()
    expect(users).toEqual([{ name: 'scrapenest', process: undefined, report: expect.any(Function) }])
  })

  it('rejects start when the inbox cannot be opened, and tells log and onError', async () => {
    const onError = vi.fn()
    const logger = recordingLogger()
    const { inbox } = testInbox()
    inbox.start.mockRejectedValueOnce(new Error('locked'))
    await expect(receiverWith({ inbox, onError, logger }).start()).rejects.toThrow('locked')
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('locked') }),
      expect.objectContaining({ code: 'store_unavailable' }),
    )
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { code: 'store_unavailable' } }])
  })

  it('passes on what the inbox itself says of its start', async () => {
    const onError = vi.fn()
    const { inbox } = testInbox()
    const error = new PermanentError('an error of this library')
    const configuration = Object.assign(error, { code: 'configuration_invalid' })
    inbox.start.mockRejectedValueOnce(configuration)
    await expect(receiverWith({ inbox, onError }).start()).rejects.toBe(error)
    expect(onError).toHaveBeenCalledExactlyOnceWith(error, expect.objectContaining({ code: 'configuration_invalid' }))
  })

  it('closes the inbox after the deliveries that are being stored', async () => {
    const storing = deferred<'stored'>()
    const { inbox, users } = testInbox(() => storing.promise)
    const receiver = receiverWith({ inbox })
    await receiver.start()
    const reply = answer(receiver)
    await new Promise(setImmediate)
    const closed = receiver.close({ graceMs: 1234 })
    await new Promise(setImmediate)
    expect(inbox.close).not.toHaveBeenCalled()
    storing.resolve('stored')
    await closed
    expect(await reply).toEqual(accepted)
    expect(inbox.close.mock.calls).toEqual([[{ graceMs: 1234, user: users[0] }]])
  })
})

describe('the processor of an inbox', () => {
  const stored = (type = 'job.created', body: string | Uint8Array = JSON.stringify(eventOf(type))): InboxEvent => ({
    name: 'scrapenest',
    eventId: 'event_1',
    eventType: type,
    messageId: 'msg_1',
    sentAt: new Date(startMs),
    receivedAt: new Date(startMs + 1),
    signedHeaders: {},
    body: Buffer.from(body as string),
    secretIndex: 1,
  })
  const attempt = { attempt: 3, signal: new AbortController().signal }

  function processorWith(options: HandlingOptions<ScrapeNestEvents, never> = {}) {
    const logger = recordingLogger()
    const { process, ...user } = createInboxProcessor({ logger, ...options })
    if (process === undefined) throw new Error('Expected a processor.')
    return { process, logger, ...user }
  }

  it('asks an attempt for its signal, whatever it is an object of', async () => {
    class Attempt {
      get attempt(): number {
        return 2
      }
      get signal(): AbortSignal {
        return attempt.signal
      }
    }
    const handler = vi.fn()
    const { process } = processorWith({ onEvent: { '*': handler } })
    await process(stored(), new Attempt())
    expect(handler.mock.calls[0]?.[1]).toMatchObject({ attempt: 2, signal: attempt.signal })
  })

  it('gives handlers the event, the attempt and its signal, and no context', async () => {
    const handler = vi.fn()
    const { process, name } = processorWith({ onEvent: { 'job.created': handler } })
    expect(name).toBe('scrapenest')
    expect(await process(stored(), attempt)).toBe('handled')
    expect(handler).toHaveBeenCalledExactlyOnceWith(eventOf('job.created'), {
      id: 'msg_1',
      sentAt: new Date(startMs),
      receivedAt: new Date(startMs + 1),
      attempt: 3,
      signal: attempt.signal,
      rawBody: stored().body,
      secretIndex: 1,
      context: undefined,
    })
  })

  it.each([
    ['no handler for the type', stored('artifact.ready')],
    ['a type outside the catalogue', stored('new.event')],
  ])('says unhandled: %s', async (_given, event) => {
    const { process } = processorWith({ onEvent: { 'job.created': () => {} } })
    expect(await process(event, attempt)).toBe('unhandled')
  })

  it.each<[string, unknown, string, readonly string[]]>([
    ['an error', new Error('no'), 'handler_failed', ['handler_failed']],
    ['RetryLaterError, of which nobody is told', new RetryLaterError(), 'retry_later', []],
    ['PermanentError', new PermanentError('gone'), 'permanent_failure', ['permanent_failure']],
  ])('rejects when a handler throws %s', async (_given, thrown, code, told) => {
    const onError = vi.fn()
    const { process } = processorWith({
      onError,
      onEvent: {
        '*': () => {
          throw thrown
        },
      },
    })
    await expect(process(stored(), attempt)).rejects.toMatchObject({ code })
    expect(onError.mock.calls.map(([error, context]) => [error, context.code])).toEqual(
      told.map((name) => [thrown, name]),
    )
  })

  it('rejects data that its schema refuses, and says so once', async () => {
    const onError = vi.fn()
    const schemas = {
      'job.created': { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{}] }) } },
    } as const
    const { process } = processorWith({ onError, schemas })
    await expect(process(stored(), attempt)).rejects.toMatchObject({ code: 'schema_mismatch' })
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['schema_mismatch'])
  })

  it('rejects stored bytes that are no event, and logs it', async () => {
    const { process, logger } = processorWith()
    await expect(process(stored('job.created', 'hello'), attempt)).rejects.toMatchObject({ code: 'envelope_invalid' })
    expect(logger.lines).toMatchObject([
      {
        level: 'warn',
        fields: { code: 'envelope_invalid', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' },
      },
    ])
  })

  it('lets the inbox report what no handler threw, with and without an event', async () => {
    const onError = vi.fn()
    const { report } = processorWith({ onError })
    report(new Error('lease lost'), stored())
    report(new Error('store gone'))
    expect(onError.mock.calls).toEqual([
      [
        new Error('lease lost'),
        { code: 'handler_failed', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' },
      ],
      [
        new Error('store gone'),
        { code: 'handler_failed', messageId: undefined, eventId: undefined, eventType: undefined },
      ],
    ])
  })

  it('warns of families that no event is in', () => {
    const { logger } = processorWith({ eventTypes: ['job.created'], onEvent: { 'artifact.*': () => {} } })
    expect(logger.lines).toMatchObject([{ level: 'warn', message: expect.stringContaining("'artifact.*'") }])
  })

  it.each(['secret', 'inbox', 'onDelivery'])('refuses the option %s of a receiver', (name) => {
    expect(() => createInboxProcessor({ [name]: undefined })).toThrow(
      expect.objectContaining({
        code: 'configuration_invalid',
        message: expect.stringContaining(`Unknown option "${name}"`),
      }),
    )
  })
})
