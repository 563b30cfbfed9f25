import { describe, expect, it, vi } from 'vitest'
import { createInboxProcessor, type InboxAttempt } from '../../src/adapter.ts'
import {
  type HandlingOptions,
  type InboxEvent,
  PermanentError,
  RetryLaterError,
  type ScrapeNestEvents,
} from '../../src/index.ts'
import { eventOf, failing, recordingLogger, refusal, startMs } from '../deliveries.ts'

function storedEvent(type = 'job.created', body: string | Uint8Array = JSON.stringify(eventOf(type))): InboxEvent {
  return {
    name: 'scrapenest',
    eventId: 'event_1',
    eventType: type,
    messageId: 'msg_1',
    sentAt: new Date(startMs),
    receivedAt: new Date(startMs + 1),
    signedHeaders: {},
    body: Buffer.from(body as string),
    secretIndex: 1,
  }
}

const attempt: InboxAttempt = { attempt: 3, signal: new AbortController().signal }

function processorWith(options: HandlingOptions<ScrapeNestEvents, never> = {}) {
  const logger = recordingLogger()
  const { process, ...consumer } = createInboxProcessor({ logger, ...options })
  if (process === undefined) throw new Error('Expected a processor.')
  return { process, lines: logger.lines, ...consumer }
}

const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  )

describe('the processor of an inbox', () => {
  it('passes the event, the attempt and its signal to handlers, and no context', async () => {
    const handler = vi.fn()
    const { process, name } = processorWith({ onEvent: { 'job.created': handler } })
    expect(name).toBe('scrapenest')
    expect(await process(storedEvent(), attempt)).toBe('handled')
    expect(handler).toHaveBeenCalledExactlyOnceWith(eventOf('job.created'), {
      messageId: 'msg_1',
      sentAt: new Date(startMs),
      receivedAt: new Date(startMs + 1),
      attempt: 3,
      signal: attempt.signal,
      rawBody: storedEvent().body,
      secretIndex: 1,
      context: undefined,
    })
  })

  it('reads an attempt whose fields are getters', async () => {
    class Attempt {
      get attempt(): number {
        return 2
      }
      get signal(): AbortSignal {
        return attempt.signal
      }
    }
    const handler = vi.fn()
    await processorWith({ onEvent: { '*': handler } }).process(storedEvent(), new Attempt())
    expect(handler.mock.calls[0]?.[1]).toMatchObject({ attempt: 2, signal: attempt.signal })
  })

  it('replaces a missing event_id by the message id, as a receiver does', async () => {
    const handler = vi.fn()
    const { process } = processorWith({ onEvent: { '*': handler } })
    await process(storedEvent('job.created', '{"event_type":"job.created"}'), attempt)
    expect(handler.mock.calls[0]?.[0]).toMatchObject({ event_id: 'msg_1' })
  })

  it.each([
    ['no handler for its type', storedEvent('artifact.ready')],
    ['a type outside the catalog', storedEvent('new.event')],
  ])('resolves with unhandled for an event with %s', async (_given, event) => {
    const { process } = processorWith({ onEvent: { 'job.created': () => {} } })
    expect(await process(event, attempt)).toBe('unhandled')
  })

  it.each<[string, unknown, string, readonly string[]]>([
    ['an error', new Error('no'), 'handler_failed', ['handler_failed']],
    ['a RetryLaterError, which is not reported', new RetryLaterError(), 'retry_later', []],
    ['a PermanentError', new PermanentError('gone'), 'permanent_failure', ['permanent_failure']],
  ])('rejects when a handler throws %s', async (_given, thrown, code, reported) => {
    const onError = vi.fn()
    const { process, report } = processorWith({ onError, onEvent: { '*': failing(thrown) } })
    const error = await rejectionOf(process(storedEvent(), attempt))
    expect(error).toMatchObject({ code })
    // The inbox reports it, because only the inbox knows whether there will be another attempt.
    expect(onError).not.toHaveBeenCalled()
    const facts = { attempt: 3, maxAttempts: 8, nextAttemptAt: new Date(startMs) }
    report(error, storedEvent(), facts)
    for (const [, context] of onError.mock.calls) expect(context).toMatchObject(facts)
    expect(onError.mock.calls.map(([error, context]) => [error, context.code])).toEqual(
      reported.map((name) => [thrown, name]),
    )
  })

  it('rejects data that its schema rejects, and reports it once', async () => {
    const onError = vi.fn()
    const schemas = {
      'job.created': { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{}] }) } },
    } as const
    const { process, report } = processorWith({ onError, schemas })
    const error = await rejectionOf(process(storedEvent(), attempt))
    expect(error).toMatchObject({ code: 'schema_mismatch' })
    report(error, storedEvent())
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['schema_mismatch'])
  })

  it('rejects stored bytes that are not an event, and logs them', async () => {
    const { process, report, lines } = processorWith()
    const error = await rejectionOf(process(storedEvent('job.created', 'hello'), attempt))
    expect(error).toMatchObject({ code: 'envelope_invalid' })
    report(error, storedEvent())
    expect(lines).toMatchObject([
      {
        level: 'warn',
        fields: { code: 'envelope_invalid', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' },
      },
    ])
  })

  it('reports errors of the inbox, with and without an event', () => {
    const onError = vi.fn()
    const { report } = processorWith({ onError })
    report(new Error('lease lost'), storedEvent())
    report(new Error('store gone'))
    expect(onError.mock.calls).toEqual([
      [
        new Error('lease lost'),
        { code: 'handler_failed', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' },
      ],
      [new Error('store gone'), { code: 'handler_failed' }],
    ])
  })

  it('reports each of several failures', async () => {
    const onError = vi.fn()
    const onEvent = { 'job.created': failing(new Error('one')), 'job.*': failing(new Error('two')) }
    const { process, report } = processorWith({ onError, onEvent })
    report(await rejectionOf(process(storedEvent(), attempt)), storedEvent())
    expect(onError.mock.calls.map(([error]) => error.message)).toEqual(['one', 'two'])
  })

  it('reports an error under its own code, such as that of a dead event', () => {
    const onError = vi.fn()
    const { report, lines } = processorWith({ onError })
    const dead = Object.assign(new Error('The event is dead.'), { library: 'scrapenest-webhooks', code: 'event_dead' })
    report(dead, storedEvent(), { attempt: 8, maxAttempts: 8 })
    expect(onError).toHaveBeenCalledExactlyOnceWith(dead, expect.objectContaining({ code: 'event_dead', attempt: 8 }))
    expect(lines).toMatchObject([
      { level: 'error', message: expect.stringContaining('The event is dead.'), fields: { code: 'event_dead' } },
    ])
    expect(lines[0]?.fields, 'its stack would only name the inbox').not.toHaveProperty('err')
  })

  it('warns once per event type without a handler, unless onUnknownEvent handles it', async () => {
    const { process, lines } = processorWith({ onEvent: { 'job.created': () => {} } })
    for (const type of ['artifact.ready', 'artifact.ready', 'new.event']) await process(storedEvent(type), attempt)
    expect(lines.map(({ message }) => message)).toEqual([
      expect.stringContaining("No handler for 'artifact.ready'"),
      expect.stringContaining("No handler for 'new.event'"),
    ])
    const taking = processorWith({ onUnknownEvent: () => {} })
    expect(await taking.process(storedEvent('new.event'), attempt)).toBe('handled')
    expect(taking.lines).toEqual([])
  })

  it('suggests the type that a misspelled one probably means', () => {
    const { lines } = processorWith({ onEvent: { 'job.complete': () => {}, 'my.own': () => {} } as object })
    expect(lines).toMatchObject([{ level: 'warn', message: expect.stringContaining("Did you mean 'job.completed'?") }])
    expect(lines).toHaveLength(1)
  })

  it('suggests the type that a misspelled one of a schema probably means', () => {
    const schema = { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: {} }) } }
    const { lines } = processorWith({ schemas: { 'job.complete': schema, 'my.own': schema } as object })
    expect(lines).toMatchObject([{ level: 'warn', message: expect.stringContaining("Did you mean 'job.completed'?") }])
    expect(lines).toHaveLength(1)
  })

  it('warns of patterns that match no event type', () => {
    const { lines } = processorWith({ eventTypes: ['job.created'], onEvent: { 'artifact.*': () => {} } })
    expect(lines).toMatchObject([{ level: 'warn', message: expect.stringContaining("'artifact.*'") }])
  })

  it.each(['secret', 'inbox', 'onDelivery'])('rejects the option %s of a receiver', (name) => {
    expect(() => createInboxProcessor({ [name]: undefined })).toThrow(
      refusal('configuration_invalid', `Unknown option "${name}"`),
    )
  })
})
