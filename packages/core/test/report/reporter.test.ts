import { inspect } from 'node:util'
import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { withPage } from '../../src/adapter.ts'
import {
  ConfigurationError,
  type DeliveryOutcome,
  type ErrorContext,
  type Logger,
  PermanentError,
  RetryLaterError,
  WebhookError,
  type WebhookRequest,
} from '../../src/index.ts'
import { createReporter } from '../../src/report/reporter.ts'
import {
  answer,
  deliver,
  eventOf,
  failing,
  hang,
  otherSecret,
  recordingLogger,
  secret,
  settle,
  startMs,
  type TestOptions,
  testReceiver,
} from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const failed = { status: 500, body: { error: 'handler_failed' } }

const forged = () => deliver(undefined, { secret: otherSecret })
const withBody = (body: () => never): WebhookRequest => ({ ...deliver(), body })
const lostBody = () => withBody(failing(new WebhookError('raw_body_unavailable', 'The fix.')))

describe('the log', () => {
  it('has one line per refused delivery, with the known facts', async () => {
    const receiver = testReceiver({ name: 'shop' })
    await receiver.receive(forged())
    expect(receiver.lines).toEqual([
      {
        level: 'warn',
        fields: { code: 'signature_mismatch', messageId: 'msg_1', remoteAddress: '192.0.2.7' },
        message: expect.stringMatching(/^\[shop webhooks\] No secret matched: /),
      },
    ])
  })

  it('has the first failure of each code, and counts the others', async () => {
    const receiver = testReceiver()
    for (let number = 0; number < 1000; number += 1) await receiver.receive(forged())
    await receiver.receive(deliver(undefined, { method: 'GET' }))
    expect(receiver.lines.map(({ fields }) => fields['code'])).toEqual(['signature_mismatch', 'method_not_allowed'])
    await receiver.close()
    expect(receiver.lines.slice(2)).toMatchObject([{ fields: { code: 'signature_mismatch', repeats: 999 } }])
  })

  it('names a refused configuration that comes to light during an outage', async () => {
    const wrongPassword = new ConfigurationError('The password is wrong.')
    const failures = [
      new WebhookError('store_unavailable', 'The server is down.'),
      new WebhookError('store_unavailable', 'The server refuses: the password is wrong.', { cause: wrongPassword }),
    ]
    const lines: string[] = []
    const logger = { warn: () => {}, error: (_fields: object, message: string) => void lines.push(message) }
    const reporter = createReporter({ name: 'shop', logger })
    for (const failure of [...failures, ...failures]) reporter.reportFailure(failure, { ids: {} })
    expect(lines).toEqual([
      expect.stringMatching(/The server is down\./),
      expect.stringMatching(/The server refuses: the password is wrong\./),
    ])
  })

  it('has every failure of a handler, with the error itself', async () => {
    const receiver = testReceiver({ onEvent: { '*': failing(new Error('no')) } })
    await receiver.receive(deliver())
    await receiver.receive(deliver())
    const line = {
      level: 'error',
      fields: {
        code: 'handler_failed',
        err: new Error('no'),
        messageId: 'msg_1',
        eventId: 'event_1',
        eventType: 'job.created',
        remoteAddress: '192.0.2.7',
      },
      message: withPage('[scrapenest webhooks] A handler failed.', 'handler_failed'),
    }
    expect(receiver.lines).toEqual([line, line])
  })

  it('has a line when a handler gives up on an event', async () => {
    const receiver = testReceiver({ onEvent: { '*': failing(new PermanentError('gone')) } })
    await receiver.receive(deliver())
    expect(receiver.lines).toMatchObject([
      {
        level: 'error',
        fields: { code: 'permanent_failure', err: { message: 'gone' } },
        message: withPage('[scrapenest webhooks] A handler failed.', 'handler_failed'),
      },
    ])
  })

  it('has nothing about expected protocol outcomes', async () => {
    const receiver = testReceiver({ onEvent: { '*': failing(new RetryLaterError()) } })
    await receiver.receive(deliver())
    await receiver.close()
    await receiver.receive(deliver())
    expect(receiver.lines).toEqual([])
  })

  it('uses the logger of the request if there is one', async () => {
    const receiver = testReceiver({ onEvent: { '*': failing(new Error('no')) } })
    const own = recordingLogger()
    await receiver.receive(deliver(undefined, { logger: own }))
    await receiver.receive(deliver(undefined, { logger: own, secret: otherSecret }))
    expect(own.lines.map(({ fields }) => fields['code'])).toEqual(['handler_failed', 'signature_mismatch'])
    expect(receiver.lines).toEqual([])
  })

  it('uses the logger of the receiver if that of the request cannot be read', async () => {
    const receiver = testReceiver()
    const request = Object.defineProperty(forged(), 'logger', { get: failing(new Error('no')) })
    await receiver.receive(request)
    expect(receiver.lines).toMatchObject([{ fields: { code: 'signature_mismatch' } }])
  })

  it('omits an address that is not known', async () => {
    const receiver = testReceiver()
    await receiver.receive(deliver(undefined, { remoteAddress: undefined, secret: otherSecret }))
    expect(receiver.lines[0]?.fields).not.toHaveProperty('remoteAddress')
  })

  it('has the cause of a failure', async () => {
    const receiver = testReceiver({ secret: failing(new Error('vault')) })
    await receiver.receive(deliver())
    expect(receiver.lines).toMatchObject([
      { level: 'error', fields: { code: 'secret_unavailable', err: new Error('vault') } },
    ])
  })

  it('has the address that is not allowed', async () => {
    const receiver = testReceiver({ allowedSources: ['198.51.100.0/24'] })
    await receiver.receive(deliver())
    expect(receiver.lines[0]).toMatchObject({
      level: 'warn',
      fields: { code: 'source_not_allowed' },
      message: expect.stringContaining('not in allowedSources. Address: 192.0.2.7.'),
    })
  })

  it('has secret_not_found when the sender gets signature_mismatch', async () => {
    const onDelivery = vi.fn()
    const receiver = testReceiver({ secret: () => undefined, onDelivery })
    expect(await answer(receiver)).toEqual({ status: 400, body: { error: 'signature_mismatch' } })
    expect(receiver.lines).toMatchObject([{ level: 'warn', fields: { code: 'secret_not_found' } }])
    expect(onDelivery).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        result: 'secret_not_found',
        error: expect.objectContaining({ code: 'secret_not_found' }),
      }),
    )
  })

  it.each<[string, Logger]>([
    ['throws', { warn: failing(new Error('no')), error: failing(new Error('no')) }],
    ['rejects', { warn: () => Promise.reject(new Error('no')), error: () => Promise.reject(new Error('no')) }],
    ['returns something else', { warn: () => 7, error: () => Promise.resolve() }],
  ])('changes no reply when the logger %s', async (_given, logger) => {
    const receiver = testReceiver({ logger, onEvent: { 'job.created': failing(new Error('no')) } })
    expect(await answer(receiver)).toEqual(failed)
    expect(await answer(receiver, forged())).toEqual({ status: 400, body: { error: 'signature_mismatch' } })
    expect(await answer(receiver, forged())).toEqual({ status: 400, body: { error: 'signature_mismatch' } })
    await receiver.close()
  })
})

describe('onDelivery', () => {
  it('reports an acknowledged event without a handler', async () => {
    const results: unknown[] = []
    const onDelivery = ({ status, result }: DeliveryOutcome): void => void results.push([status, result])
    const receiver = testReceiver({ onDelivery, onEvent: { 'job.completed': () => {} } })
    await receiver.receive(deliver(eventOf('job.created', {}, 'event_1')))
    await receiver.receive(deliver(eventOf('new.event', {}, 'event_2')))
    await testReceiver({ onDelivery, onUnknownEvent: () => {} }).receive(deliver(eventOf('new.event')))
    expect(results).toEqual([
      [202, 'unhandled'],
      [202, 'unhandled'],
      [202, 'accepted'],
    ])
  })

  it('is called with the outcome of every delivery', async () => {
    const outcomes: DeliveryOutcome[] = []
    const receiver = testReceiver({
      onDelivery: (outcome) => void outcomes.push(outcome),
      onEvent: {
        'job.created': () => {},
        'job.completed': failing(new PermanentError('gone')),
        'artifact.ready': failing(new Error('no')),
      },
    })
    await receiver.receive(deliver())
    await receiver.receive(deliver())
    await receiver.receive(deliver(eventOf('job.completed', {}, 'event_2')))
    await receiver.receive(deliver(eventOf('artifact.ready', {}, 'event_3')))
    await receiver.receive(forged())
    await receiver.receive(deliver(undefined, { method: 'GET' }))
    const known = { messageId: 'msg_1', secretIndex: 0, remoteAddress: '192.0.2.7', durationMs: expect.any(Number) }
    const event = { ...known, eventId: 'event_1', eventType: 'job.created' }
    expect(outcomes).toEqual([
      { ...event, status: 202, result: 'accepted', error: undefined },
      { ...event, status: 202, result: 'duplicate', error: undefined },
      {
        ...known,
        eventId: 'event_2',
        eventType: 'job.completed',
        status: 202,
        result: 'dropped',
        error: expect.objectContaining({ code: 'permanent_failure' }),
      },
      {
        ...known,
        eventId: 'event_3',
        eventType: 'artifact.ready',
        status: 500,
        result: 'handler_failed',
        error: expect.objectContaining({ code: 'handler_failed', cause: new Error('no') }),
      },
      {
        ...known,
        secretIndex: undefined,
        status: 400,
        result: 'signature_mismatch',
        error: expect.objectContaining({ code: 'signature_mismatch' }),
      },
      {
        ...known,
        secretIndex: undefined,
        messageId: undefined,
        status: 405,
        result: 'method_not_allowed',
        error: expect.objectContaining({ code: 'method_not_allowed' }),
      },
    ])
    for (const { durationMs } of outcomes) expect(durationMs).toBeGreaterThanOrEqual(0)
  })

  it('gets the id of the header family that verified', async () => {
    const ids: unknown[] = []
    const receiver = testReceiver({ onDelivery: ({ messageId }) => void ids.push(messageId) })
    const { headers, ...request } = deliver()
    const stranger = deliver(undefined, { id: 'msg_of_a_stranger', secret: otherSecret }).headers
    const renamed = Object.entries(headers).map(([name, value]) => [name.replace('svix-', 'webhook-'), value] as const)
    await receiver.receive({ ...request, headers: { ...stranger, ...Object.fromEntries(renamed) } })
    expect(ids).toEqual(['msg_1'])
  })

  it('gets handler_failed for an error from outside this library', async () => {
    const outcomes: DeliveryOutcome[] = []
    const request = Object.defineProperty({ ...deliver() }, 'method', { get: failing(new Error('no')) })
    await testReceiver({ onDelivery: (outcome) => void outcomes.push(outcome) }).receive(request)
    expect(outcomes).toMatchObject([{ status: 500, result: 'handler_failed', error: undefined }])
  })
})

describe('onError', () => {
  it('is called once per handler that failed, with the error as thrown', async () => {
    const calls: [unknown, ErrorContext][] = []
    const [first, second] = [new Error('first'), new Error('second')]
    const receiver = testReceiver({
      onError: (error, context) => void calls.push([error, context]),
      onEvent: { 'job.created': failing(first), 'job.*': failing(new RetryLaterError()), '*': failing(second) },
    })
    await receiver.receive(deliver())
    const context = { code: 'handler_failed', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' }
    expect(calls).toEqual([
      [first, context],
      [second, context],
    ])
    expect(calls[0]?.[0]).toBe(first)
  })

  it('is not called for refused deliveries', async () => {
    const onError = vi.fn()
    const receiver = testReceiver({ onError, allowedSources: ['192.0.2.0/24'], maxBodyBytes: 999 })
    await receiver.receive(forged())
    await receiver.receive(deliver('hello'))
    await receiver.receive(deliver(undefined, { method: 'GET' }))
    await receiver.receive(deliver(undefined, { remoteAddress: undefined }))
    await receiver.receive(deliver(undefined, { remoteAddress: '203.0.113.1' }))
    await receiver.receive(deliver(undefined, { sentAtMs: startMs - 999_000 }))
    await receiver.receive(deliver(undefined, { headers: { 'content-length': '1000' } }))
    await receiver.receive(withBody(failing(new Error('reset'))))
    await receiver.receive({ ...lostBody(), headers: { ...deliver().headers, 'content-type': 'text/plain' } })
    expect(onError).not.toHaveBeenCalled()
    expect(receiver.lines.map(({ level }) => level)).toEqual(receiver.lines.map(() => 'warn'))
    expect(receiver.lines.map(({ fields }) => fields['code'])).toEqual([
      'signature_mismatch',
      'envelope_invalid',
      'method_not_allowed',
      'source_not_allowed',
      'timestamp_outside_tolerance',
      'body_too_large',
      'body_aborted',
      'content_type_unsupported',
    ])
  })

  it('is called for every failed store of a verified delivery', async () => {
    const onError = vi.fn()
    const duplicates = { claim: failing(new Error('down')), complete() {}, release() {} }
    const receiver = testReceiver({ onError, duplicates })
    await receiver.receive(deliver())
    await receiver.receive(deliver())
    expect(onError.mock.calls.map(([, { code }]) => code)).toEqual(['store_unavailable', 'store_unavailable'])
  })

  it.each<[string, unknown]>([
    ['throws', failing(new Error('hook'))],
    ['rejects', () => Promise.reject(new Error('hook'))],
    ['hangs', hang],
    ['returns what throws when it is awaited', () => new Proxy({}, { get: failing(new Error('hook')) })],
  ])('changes no reply when it or another hook %s', async (kind, hook) => {
    const hooks = { onError: hook, onDelivery: hook, onUnknownEvent: hook } as TestOptions
    const receiver = testReceiver({ ...hooks, onEvent: { 'artifact.ready': failing(new Error('no')) } })
    expect(await answer(receiver)).toEqual(accepted)
    expect(await answer(receiver, deliver(eventOf('new.event', {}, 'event_2')))).toEqual(accepted)
    expect(await answer(receiver, deliver(eventOf('artifact.ready', {}, 'event_3')))).toEqual(failed)
    await settle()
    const line = {
      level: 'error',
      fields: { code: 'hook_failed', err: new Error('hook') },
      message: withPage('[scrapenest webhooks] A hook failed.', 'hook_failed'),
    }
    const hookLines = receiver.lines.filter(({ fields }) => fields['code'] === 'hook_failed')
    expect(hookLines).toEqual(kind === 'hangs' ? [] : [line])
  })
})

describe('onError for requests that are not verified', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it.each<[string, TestOptions, () => WebhookRequest]>([
    ['raw_body_unavailable', {}, lostBody],
    ['secret_unavailable', { secret: failing(new Error('vault')) }, deliver],
    ['configuration_invalid', { secret: () => 'malformed' }, deliver],
  ])('is called at most once a minute: %s', async (code, options, request) => {
    const onError = vi.fn()
    const receiver = testReceiver({ ...options, onError })
    for (let number = 0; number < 20; number += 1) await receiver.receive(request())
    expect(onError.mock.calls.map(([, context]) => context.code)).toEqual([code])
    await vi.advanceTimersByTimeAsync(60_000)
    for (let number = 0; number < 20; number += 1) await receiver.receive(request())
    expect(onError).toHaveBeenCalledTimes(2)
  })

  it('gets the fix for a lost raw body', async () => {
    const onError = vi.fn()
    await testReceiver({ onError }).receive(lostBody())
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        code: 'raw_body_unavailable',
        message: withPage('The raw body is no longer available. The fix.', 'raw_body_unavailable'),
      }),
      expect.objectContaining({ code: 'raw_body_unavailable', messageId: 'msg_1' }),
    )
  })

  it('is not called for a lost raw body after a delivery was verified; the loss is still logged', async () => {
    const onError = vi.fn()
    const receiver = testReceiver({ onError })
    await receiver.receive(deliver())
    await receiver.receive(lostBody())
    await vi.advanceTimersByTimeAsync(60_000)
    await receiver.receive(lostBody())
    expect(onError).not.toHaveBeenCalled()
    expect(receiver.lines.map(({ level, fields }) => [level, fields['code']])).toEqual([
      ['error', 'raw_body_unavailable'],
      ['error', 'raw_body_unavailable'],
    ])
  })

  it('counts a probe as a verified delivery, and a forgery not', async () => {
    const onError = vi.fn()
    const receiver = testReceiver({ onError })
    await receiver.receive(forged())
    await receiver.receive(lostBody())
    expect(onError).toHaveBeenCalledTimes(1)
    await receiver.receive(deliver(eventOf('scrapenest-webhooks.probe')))
    await vi.advanceTimersByTimeAsync(60_000)
    await receiver.receive(lostBody())
    expect(onError).toHaveBeenCalledTimes(1)
  })
})

describe('createReporter', () => {
  const subject = { ids: { messageId: 'msg_1' } }

  function reporterWith() {
    const logger = recordingLogger()
    const onError = vi.fn()
    return { reporter: createReporter({ name: 'shop', logger, onError }), lines: logger.lines, onError }
  }

  it('reports any other error as a failed handler', () => {
    const { reporter, lines, onError } = reporterWith()
    reporter.reportFailure('text', subject)
    expect(lines).toMatchObject([{ level: 'error', fields: { code: 'handler_failed', err: 'text' } }])
    expect(onError).toHaveBeenCalledExactlyOnceWith('text', { code: 'handler_failed', messageId: 'msg_1' })
  })

  it('calls onError for an error of another copy even if its message cannot be read', () => {
    const { reporter, lines, onError } = reporterWith()
    const error = Object.defineProperty({ library: 'scrapenest-webhooks', code: 'store_unavailable' }, 'message', {
      get: failing(new Error('no')),
    })
    reporter.reportFailure(error, subject)
    expect(lines).toEqual([])
    expect(onError).toHaveBeenCalledExactlyOnceWith(error, { code: 'store_unavailable', messageId: 'msg_1' })
  })

  it('has no outcomes to report in a worker', () => {
    const outcome = vi.fn()
    reporterWith().reporter.reportOutcome(outcome)
    expect(outcome).not.toHaveBeenCalled()
  })

  it('logs the same warning once, and counts its repeats', () => {
    const { reporter, lines } = reporterWith()
    for (let count = 0; count < 20; count += 1) reporter.warn('No path is set.')
    reporter.warn('Another warning.')
    reporter.flush()
    expect(lines.map(({ message }) => message)).toEqual([
      '[shop webhooks] No path is set.',
      '[shop webhooks] Another warning.',
      '[shop webhooks] No path is set. (19 more within a minute)',
    ])
  })
})

describe('what log and hooks get', () => {
  const download_url = 'https://artifacts.example/page.html?credential=hunter2'
  const data = { job_id: 'job_1', artifact_type: 'html', download_url }

  it.each<[string, TestOptions, Parameters<typeof deliver>]>([
    ['handled', {}, [eventOf('artifact.ready', data)]],
    ['failed', { onEvent: { '*': failing(new Error('no')) } }, [eventOf('artifact.ready', data)]],
    ['dropped', { onEvent: { '*': failing(new PermanentError('gone')) } }, [eventOf('artifact.ready', data)]],
    ['forged', {}, [eventOf('artifact.ready', data), { secret: otherSecret }]],
    ['truncated', {}, [JSON.stringify(eventOf('artifact.ready', data)).slice(0, -3)]],
    ['not UTF-8', {}, [Buffer.concat([Buffer.from(download_url), Buffer.of(0xff)])]],
    ['without a type', {}, [{ data }]],
    ['stale', {}, [eventOf('artifact.ready', data), { sentAtMs: startMs - 999_000 }]],
    ['under a malformed secret', { secret: () => `"${secret}"` }, [eventOf('artifact.ready', data)]],
    [
      'refused by its schema, whose issues quote the data',
      {
        schemas: {
          'artifact.ready': v.object({
            job_id: v.string(),
            artifact_type: v.string(),
            download_url: v.pipe(v.string(), v.endsWith('.png')),
          }),
        },
      },
      [eventOf('artifact.ready', data)],
    ],
    [
      'claimed from a store that fails',
      { duplicates: { claim: failing(new Error('down')), complete() {}, release() {} } },
      [eventOf('artifact.ready', data)],
    ],
  ])('contains no download_url, secret or signature when a delivery is %s', async (_given, options, [payload, how]) => {
    const given: unknown[] = []
    const note = (...what: unknown[]): void => void given.push(what)
    const receiver = testReceiver({ logger: { warn: note, error: note }, onDelivery: note, onError: note, ...options })
    const request = deliver(payload, how)
    await receiver.receive(request)
    expect(given.length).toBeGreaterThan(0)
    for (const shown of [
      inspect(given, { depth: 12, showHidden: true }),
      JSON.stringify(given),
      given.flatMap(ownPropertiesOf).join(),
    ]) {
      expect(shown).not.toContain('hunter2')
      expect(shown).not.toContain(secret.slice('whsec_'.length, -4))
      expect(shown).not.toContain((request.headers['svix-signature'] ?? '').slice(3, -4))
    }
  })

  it('lets an operator read the issues of a schema', async () => {
    const onError = vi.fn()
    const receiver = testReceiver({
      onError,
      schemas: { 'job.created': v.looseObject({ job_id: v.number() }) as never },
    })
    await receiver.receive(deliver())
    expect(onError.mock.calls[0]?.[0].issues).toMatchObject([{ kind: 'schema', expected: 'number' }])
  })
})

/** Every enumerable property at any depth, errors included: what serializers of errors copy. */
function ownPropertiesOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [String(value)]
  const names: string[] = []
  for (const name in value) names.push(name)
  const causes = value instanceof Error ? [value.message, value.stack, value.cause] : []
  return [...names.map((name) => (value as Record<string, unknown>)[name]), ...causes].flatMap(ownPropertiesOf)
}
