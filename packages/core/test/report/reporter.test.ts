import { inspect } from 'node:util'
import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { processWarnings } from '../../src/adapter.ts'
import {
  createReceiver,
  type DeliveryOutcome,
  type ErrorContext,
  type Logger,
  PermanentError,
  type ReceiverOptions,
  RetryLaterError,
  type ScrapeNestEvents,
  WebhookError,
} from '../../src/index.ts'
import { answer, atStart, deliver, eventOf, otherSecret, recordingLogger, secret, startMs } from '../deliveries.ts'

const accepted = { status: 202, body: { status: 'accepted' } }
const failing = (error: unknown) => () => {
  throw error
}

function receiverWith(options: Partial<ReceiverOptions<ScrapeNestEvents>> = {}) {
  const logger = recordingLogger()
  return { logger, receiver: createReceiver({ secret, logger, ...atStart, ...options }) }
}

describe('the log', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const forged = () => deliver(undefined, { secret: otherSecret })

  it('has one line for a refused delivery, with what is known of it', async () => {
    const { receiver, logger } = receiverWith({ name: 'shop' })
    await receiver.receive(forged())
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: { code: 'signature_mismatch', messageId: 'msg_1', remoteAddress: '192.0.2.7' },
        message: expect.stringMatching(/^\[shop webhooks\] Signature mismatch: another endpoint's secret, or /),
      },
    ])
  })

  it('has the first fault of each code at once and counts the others per minute', async () => {
    const { receiver, logger } = receiverWith()
    for (let number = 0; number < 1000; number += 1) await receiver.receive(forged())
    await receiver.receive(deliver(undefined, { method: 'GET' }))
    expect(logger.lines.map(({ fields }) => fields['code'])).toEqual(['signature_mismatch', 'method_not_allowed'])
    await vi.advanceTimersByTimeAsync(59_999)
    expect(logger.lines).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(logger.lines.slice(2)).toEqual([
      {
        level: 'warn',
        fields: { code: 'signature_mismatch', repeats: 999 },
        message: expect.stringContaining('(999 more within a minute)'),
      },
    ])
    await receiver.receive(forged())
    expect(logger.lines.slice(3)).toMatchObject([{ fields: { code: 'signature_mismatch', messageId: 'msg_1' } }])
  })

  it('gets the pending counts at close', async () => {
    const { receiver, logger } = receiverWith()
    for (let number = 0; number < 3; number += 1) await receiver.receive(forged())
    await receiver.close()
    expect(logger.lines).toMatchObject([{ fields: { code: 'signature_mismatch' } }, { fields: { repeats: 2 } }])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(logger.lines).toHaveLength(2)
  })

  it('does not keep a process alive for a pending count', async () => {
    const { receiver } = receiverWith()
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await receiver.receive(forged())
    const counting = timers.mock.results.at(-1)?.value as NodeJS.Timeout
    expect(timers.mock.calls.at(-1)?.[1]).toBe(60_000)
    expect(counting.hasRef()).toBe(false)
    timers.mockRestore()
  })

  it('has every failure of a handler, with the error itself', async () => {
    const { receiver, logger } = receiverWith({ onEvent: { '*': failing(new Error('no')) } })
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
      message: '[scrapenest webhooks] A handler failed.',
    }
    expect(logger.lines).toEqual([line, line])
  })

  it('says when a handler gave an event up', async () => {
    const { receiver, logger } = receiverWith({ onEvent: { '*': failing(new PermanentError('gone')) } })
    await receiver.receive(deliver())
    expect(logger.lines).toMatchObject([
      {
        level: 'error',
        fields: { code: 'permanent_failure' },
        message: '[scrapenest webhooks] A handler failed.',
      },
    ])
  })

  it('has nothing of what is the protocol at work', async () => {
    const { receiver, logger } = receiverWith({ onEvent: { '*': failing(new RetryLaterError()) } })
    await receiver.receive(deliver())
    await receiver.close()
    await receiver.receive(deliver())
    expect(logger.lines).toEqual([])
  })

  it('goes to the logger of the request where there is one', async () => {
    const { receiver, logger } = receiverWith({ onEvent: { '*': failing(new Error('no')) } })
    const own = recordingLogger()
    await receiver.receive(deliver(undefined, { logger: own }))
    await receiver.receive(deliver(undefined, { logger: own, secret: otherSecret }))
    expect(own.lines.map(({ fields }) => fields['code'])).toEqual(['handler_failed', 'signature_mismatch'])
    expect(logger.lines).toEqual([])
  })

  it('leaves out an address that is not known', async () => {
    const { receiver, logger } = receiverWith()
    await receiver.receive(deliver(undefined, { remoteAddress: undefined, secret: otherSecret }))
    expect(logger.lines[0]?.fields).not.toHaveProperty('remoteAddress')
  })

  it('has the reason of a fault beside it', async () => {
    const { receiver, logger } = receiverWith({ secret: failing(new Error('vault')) })
    await receiver.receive(deliver())
    expect(logger.lines).toMatchObject([
      { level: 'error', fields: { code: 'secret_unavailable', err: new Error('vault') } },
    ])
  })

  it('names the setting to look at when an address is refused', async () => {
    const { receiver, logger } = receiverWith({ allowedSources: ['198.51.100.0/24'] })
    await receiver.receive(deliver())
    expect(logger.lines[0]?.message).toMatch(/Source not allowed: 192\.0\.2\.7/)
  })

  it.each<[string, Logger]>([
    ['throws', { warn: failing(new Error('no')), error: failing(new Error('no')) }],
    ['rejects', { warn: () => Promise.reject(new Error('no')), error: () => Promise.reject(new Error('no')) }],
    ['returns nothing useful', { warn: () => 7, error: () => Promise.resolve() }],
  ])('changes no reply when the logger %s', async (_given, logger) => {
    const { receiver } = receiverWith({ logger, onEvent: { 'job.created': failing(new Error('no')) } })
    expect(await answer(receiver)).toEqual({ status: 500, body: { error: 'handler_failed' } })
    expect(await answer(receiver, forged())).toEqual({ status: 400, body: { error: 'signature_mismatch' } })
    expect(await answer(receiver, forged())).toEqual({ status: 400, body: { error: 'signature_mismatch' } })
    await receiver.close()
  })
})

describe('hooks', () => {
  it('are told of the outcome of every delivery', async () => {
    const outcomes: DeliveryOutcome[] = []
    const onDelivery = (outcome: DeliveryOutcome) => void outcomes.push(outcome)
    const { receiver } = receiverWith({
      onDelivery,
      onEvent: { 'job.completed': failing(new PermanentError('gone')), 'artifact.ready': failing(new Error('no')) },
    })
    await receiver.receive(deliver())
    await receiver.receive(deliver())
    await receiver.receive(deliver(eventOf('job.completed', {}, 'event_2')))
    await receiver.receive(deliver(eventOf('artifact.ready', {}, 'event_3')))
    await receiver.receive(deliver(undefined, { secret: otherSecret }))
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

  it('are told the id of the header family that verified', async () => {
    const ids: unknown[] = []
    const { receiver } = receiverWith({ onDelivery: ({ messageId }) => void ids.push(messageId) })
    const { headers, ...request } = deliver()
    const stranger = deliver(undefined, { id: 'msg_of_a_stranger', secret: otherSecret }).headers
    const renamed = Object.entries(headers).map(([name, value]) => [name.replace('svix-', 'webhook-'), value] as const)
    await receiver.receive({ ...request, headers: { ...stranger, ...Object.fromEntries(renamed) } })
    expect(ids).toEqual(['msg_1'])
  })

  it('are told handler_failed of a failure that is no error of ours', async () => {
    const outcomes: DeliveryOutcome[] = []
    const request = Object.defineProperty({ ...deliver() }, 'method', { get: failing(new Error('no')) })
    const { receiver } = receiverWith({ onDelivery: (outcome) => void outcomes.push(outcome) })
    await receiver.receive(request)
    expect(outcomes).toMatchObject([{ status: 500, result: 'handler_failed', error: undefined }])
  })

  it('onError is told once per handler that failed, with the error as it was thrown', async () => {
    const told: [unknown, ErrorContext][] = []
    const [first, second] = [new Error('first'), new Error('second')]
    const { receiver } = receiverWith({
      onError: (error, context) => void told.push([error, context]),
      onEvent: { 'job.created': failing(first), 'job.*': failing(new RetryLaterError()), '*': failing(second) },
    })
    await receiver.receive(deliver())
    const context = { code: 'handler_failed', messageId: 'msg_1', eventId: 'event_1', eventType: 'job.created' }
    expect(told).toEqual([
      [first, context],
      [second, context],
    ])
  })

  it('onError is not told of what a stranger can trigger, but of lost raw bytes', async () => {
    const onError = vi.fn()
    const { receiver } = receiverWith({ onError })
    await receiver.receive(deliver(undefined, { secret: otherSecret }))
    await receiver.receive(deliver('hello'))
    await receiver.receive(deliver(undefined, { method: 'GET' }))
    expect(onError).not.toHaveBeenCalled()
    await receiver.receive(
      deliver(undefined, { body: failing(new WebhookError('raw_body_unavailable', 'The fix.')) } as object),
    )
    expect(onError.mock.calls.map(([{ message }, { code }]) => [code, message])).toEqual([
      ['raw_body_unavailable', 'Raw body unavailable: The fix.'],
    ])
  })

  it.each<[string, () => unknown]>([
    ['throw', failing(new Error('hook'))],
    ['reject', () => Promise.reject(new Error('hook'))],
    ['hang', () => new Promise(() => {})],
    ['return what throws when it is awaited', () => new Proxy({}, { get: failing(new Error('hook')) })],
  ])('that %s change no reply', async (kind, hook) => {
    const { receiver, logger } = receiverWith({
      onError: hook,
      onDelivery: hook,
      onUnknownEvent: hook,
      onEvent: { 'artifact.ready': failing(new Error('no')) },
    })
    expect(await answer(receiver)).toEqual(accepted)
    expect(await answer(receiver, deliver(eventOf('new.event', {}, 'event_2')))).toEqual(accepted)
    expect(await answer(receiver, deliver(eventOf('artifact.ready', {}, 'event_3')))).toEqual({
      status: 500,
      body: { error: 'handler_failed' },
    })
    await new Promise(setImmediate)
    const lines = logger.lines.filter(({ fields }) => fields['code'] === 'hook_failed')
    expect(lines).toEqual(
      kind === 'hang'
        ? []
        : [
            {
              level: 'error',
              fields: { code: 'hook_failed', err: new Error('hook') },
              message: '[scrapenest webhooks] A hook failed.',
            },
          ],
    )
  })
})

describe('what log and hooks are given', () => {
  const download_url = 'https://artifacts.example/page.html?credential=hunter2'
  const data = { job_id: 'job_1', artifact_type: 'html', download_url }

  it.each<[string, Partial<ReceiverOptions<ScrapeNestEvents>>, Parameters<typeof deliver>]>([
    ['handled', {}, [eventOf('artifact.ready', data)]],
    ['failed', { onEvent: { '*': failing(new Error('no')) } }, [eventOf('artifact.ready', data)]],
    ['given up', { onEvent: { '*': failing(new PermanentError('gone')) } }, [eventOf('artifact.ready', data)]],
    ['forged', {}, [eventOf('artifact.ready', data), { secret: otherSecret }]],
    ['cut in half', {}, [JSON.stringify(eventOf('artifact.ready', data)).slice(0, -3)]],
    ['not UTF-8', {}, [Buffer.concat([Buffer.from(download_url), Buffer.of(0xff)])]],
    ['without type', {}, [{ data }]],
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
      'remembered by a store that fails',
      { duplicates: { claim: failing(new Error('down')), complete() {}, release() {} } },
      [eventOf('artifact.ready', data)],
    ],
  ])('holds no download_url, secret or signature when a delivery is %s', async (_given, options, [payload, how]) => {
    const given: unknown[] = []
    const logger: Logger = {
      warn: (...line) => void given.push(line),
      error: (...line) => void given.push(line),
    }
    const { receiver } = receiverWith({
      logger,
      onDelivery: (outcome) => void given.push(outcome),
      onError: (...told) => void given.push(told),
      ...options,
    })
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

  it('lets an operator ask for the issues of a schema', async () => {
    const onError = vi.fn()
    const { receiver } = receiverWith({
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

describe('processWarnings', () => {
  it.each(['warn', 'error'] as const)(
    'gives %s lines to Node with their code, and shows the error behind them',
    (level) => {
      const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      processWarnings[level]({ code: 'handler_failed', err: new Error('the reason') }, 'A handler failed.')
      processWarnings[level]({ other: 1 }, 'Without a code.')
      expect(emit.mock.calls).toEqual([
        [
          'A handler failed.',
          { type: 'ScrapeNestWebhooks', code: 'handler_failed', detail: expect.stringContaining('the reason') },
        ],
        ['Without a code.', { type: 'ScrapeNestWebhooks', detail: '{ other: 1 }' }],
      ])
      emit.mockRestore()
    },
  )

  it('are where a receiver without a logger writes', async () => {
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const receiver = createReceiver({ secret, ...atStart })
    await receiver.receive(deliver(undefined, { secret: otherSecret }))
    expect(emit).toHaveBeenCalledExactlyOnceWith(
      expect.stringContaining('Signature mismatch: '),
      expect.objectContaining({ code: 'signature_mismatch' }),
    )
    emit.mockRestore()
  })
})
