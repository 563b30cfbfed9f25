import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { createReceiver, type ReceiverOptions, type ScrapeNestEvents } from '../../src/index.ts'
import { readReceiverOptions } from '../../src/receive/options.ts'
import { answer, atStart, recordingLogger, refusal, secret } from '../deliveries.ts'

const make = (options: object) => () => createReceiver({ secret, ...options } as ReceiverOptions<ScrapeNestEvents>)
const inbox = { put: async () => 'stored', start: async () => {}, close: async () => {} }

describe('createReceiver', () => {
  it.each<[string, object, string]>([
    [
      'a misspelled option',
      { toleranceSecond: 1 },
      'Unknown option "toleranceSecond". The options are allowedSources, ',
    ],
    ['an option of an adapter', { path: '/' }, 'Unknown option "path"'],
    ['an option named after a prototype', { constructor: 1 }, 'Unknown option "constructor"'],
    ['a name with a slash', { name: 'a/b' }, 'name to be 1 to 64 letters'],
    ['an empty name', { name: '' }, 'name to be 1 to 64 letters'],
    ['a long name', { name: 'a'.repeat(65) }, 'name to be 1 to 64 letters'],
    ['text as onEvent', { onEvent: 'save' }, "such as { 'job.completed': handler }, got 'save'"],
    ['null as onEvent', { onEvent: null }, "such as { 'job.completed': handler }, got null"],
    ['a list as onEvent', { onEvent: [() => {}] }, "such as { 'job.completed': handler }, got object"],
    ['a map as onEvent', { onEvent: new Map() }, 'Expected onEvent to be a plain object of handlers'],
    [
      'a class instance as onEvent',
      {
        onEvent: new (class {
          'job.created'(): void {}
        })(),
      },
      'Expected onEvent to be a plain object of handlers',
    ],
    ['null as the schemas', { schemas: null }, 'Expected schemas to be a plain object of schemas'],
    ['a number as the schemas', { schemas: 7 }, "such as { 'job.completed': schema }, got 7"],
    ['a map as the schemas', { schemas: new Map() }, 'Expected schemas to be a plain object of schemas'],
    [
      'a number among the event types',
      { eventTypes: ['order.paid', 7] },
      'Expected eventTypes to be a list of event types',
    ],
    ['text as processing', { processing: 'false' }, "Expected processing to be true or false, got 'false'"],
    ['a function as onEvent', { onEvent: () => {} }, "such as { 'job.completed': handler }, got function"],
    [
      'a handler that is not a function',
      { onEvent: { 'job.created': 'save' } },
      "handler of 'job.created' to be a function, got 'save'",
    ],
    [
      'a malformed pattern',
      { onEvent: { 'job.': () => {}, '**': () => {} } },
      "Expected an event pattern to be a type, a family such as 'job.*', or '*', got '**'",
    ],
    ['an onError that is not a function', { onError: 'log' }, "Expected onError to be a function, got 'log'"],
    ['an onDelivery that is not a function', { onDelivery: {} }, 'Expected onDelivery to be a function, got object'],
    [
      'an onUnknownEvent that is not a function',
      { onUnknownEvent: 1 },
      'Expected onUnknownEvent to be a function, got 1',
    ],
    ['a clock that is not a function', { now: 1 }, 'Expected now to be a function'],
    ['a tolerance of 0', { toleranceSeconds: 0 }, 'toleranceSeconds to be a whole number from 1'],
    ['a tolerance of NaN', { toleranceSeconds: Number.NaN }, 'toleranceSeconds'],
    ['a body limit of 0', { maxBodyBytes: 0 }, 'maxBodyBytes to be a whole number from 1'],
    ['an infinite body limit', { maxBodyBytes: Number.POSITIVE_INFINITY }, 'maxBodyBytes'],
    ['a reply timeout of 0', { replyTimeoutMs: 0 }, 'replyTimeoutMs'],
    ['a reply timeout that no timer can hold', { replyTimeoutMs: 2_147_483_648 }, 'to 2147483647, got 2147483648'],
    ['a closing time of NaN', { closeGraceMs: Number.NaN }, 'closeGraceMs to be a number of milliseconds, 0 or more'],
    ['a negative closing time', { closeGraceMs: -1 }, 'closeGraceMs'],
    [
      'a closing time with a unit',
      { closeGraceMs: '30s' },
      "closeGraceMs to be a number of milliseconds, 0 or more, got '30s'",
    ],
    [
      'event types that are not a list',
      { eventTypes: 'job.created' },
      'Expected eventTypes to be a list of event types',
    ],
    [
      'a store without release',
      { duplicates: { claim() {}, complete() {} } },
      'Expected duplicates to be an object with the methods claim, complete, release, got object',
    ],
    ['a number as the store', { duplicates: 7 }, 'Expected duplicates to be'],
    [
      'an inbox without put',
      { inbox: { ...inbox, put: undefined } },
      'Expected inbox to be an object with the methods put, start, close, got object',
    ],
    ['null as the inbox', { inbox: null }, 'Expected inbox to be'],
    [
      'a logger without error',
      { logger: { warn() {} } },
      'Expected logger to be an object with the methods warn, error, got object',
    ],
    ['no sources', { allowedSources: [] }, 'Expected allowedSources to be addresses and CIDR ranges'],
    ['text as the sources, even empty', { allowedSources: '' }, 'Expected allowedSources to be addresses'],
    ['null as the sources', { allowedSources: null }, 'Expected allowedSources to be addresses'],
    [
      'an object that is not a schema',
      { schemas: { 'job.created': {} } },
      "the '~standard' of the schema of job.created to be an object with the methods validate",
    ],
    [
      'a schema for a family',
      { schemas: { 'job.*': {} } },
      "Expected each key of schemas to be an event type, not a pattern, got 'job.*'",
    ],
    ['a schema for all events', { schemas: { '*': {} } }, "an event type, not a pattern, got '*'"],
    [
      'null as a schema',
      { schemas: { 'job.created': null } },
      "the '~standard' of the schema of job.created to be an object with the methods validate",
    ],
  ])('rejects %s', (_given, options, saying) => {
    expect(make(options)).toThrow(refusal('configuration_invalid', saying))
  })

  it.each([undefined, null, 'whsec_'])('rejects %o in place of the options', (options) => {
    expect(() => createReceiver(options as unknown as ReceiverOptions<ScrapeNestEvents>)).toThrow(
      refusal('configuration_invalid', 'Expected the options to be an object'),
    )
  })

  it('accepts handlers from another realm and from a module', () => {
    const elsewhere: object = runInNewContext("({ 'job.created': () => {} })")
    const exported = Object.assign(Object.create(null), { 'job.created': () => {} })
    for (const onEvent of [elsewhere, exported]) expect(make({ onEvent })).not.toThrow()
  })

  it('uses the default if an option is undefined', async () => {
    const receiver = createReceiver({
      secret,
      ...atStart,
      name: undefined,
      onEvent: undefined,
      onUnknownEvent: undefined,
      onError: undefined,
      onDelivery: undefined,
      toleranceSeconds: undefined,
      maxBodyBytes: undefined,
      replyTimeoutMs: undefined,
      closeGraceMs: undefined,
      duplicates: undefined,
      inbox: undefined,
      processing: undefined,
      allowedSources: undefined,
      schemas: { 'job.created': undefined },
      eventTypes: undefined,
      logger: undefined,
    })
    expect(await answer(receiver)).toEqual({ status: 202, body: { status: 'accepted' } })
  })

  it.each([
    ['replyTimeoutMs', 2_147_483_647],
    ['closeGraceMs', 0],
    ['closeGraceMs', Number.POSITIVE_INFINITY],
  ])('accepts the extreme value of %s: %d', (name, value) => {
    expect(make({ [name]: value, logger: recordingLogger() })).not.toThrow()
  })
})

describe('a polluted prototype', () => {
  it.each<[string, object]>([
    ['an inbox', { inbox }],
    ['allowed sources', { allowedSources: ['0.0.0.0/0'] }],
  ])('does not set %s', (_what, polluted) => {
    Object.assign(Object.prototype, polluted)
    try {
      const settings = readReceiverOptions({ secret })
      expect(settings.inbox).toBeUndefined()
      expect(settings.isAllowedSource).toBeUndefined()
    } finally {
      for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name)
    }
  })

  it('does not replace a secret that is missing', () => {
    Object.assign(Object.prototype, { secret })
    try {
      expect(() => readReceiverOptions({})).toThrow(refusal('configuration_invalid', 'No signing secret'))
    } finally {
      Reflect.deleteProperty(Object.prototype, 'secret')
    }
  })
})
