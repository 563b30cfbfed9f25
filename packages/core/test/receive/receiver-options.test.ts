import { describe, expect, it } from 'vitest'
import { createReceiver, type ReceiverOptions, type ScrapeNestEvents } from '../../src/index.ts'
import { answer, atStart, recordingLogger, secret } from '../deliveries.ts'

const make = (options: object) => () => createReceiver({ secret, ...options } as ReceiverOptions<ScrapeNestEvents>)
const inbox = { put: async () => 'stored', start: async () => {}, close: async () => {} }

describe('createReceiver', () => {
  it.each<[string, object, string]>([
    ['a misspelt option', { toleranceSecond: 1 }, 'Unknown option "toleranceSecond". The options are allowedSources, '],
    ['an option of an adapter', { path: '/' }, 'Unknown option "path"'],
    ['an option named after a prototype', { constructor: 1 }, 'Unknown option "constructor"'],
    ['a name with a slash', { name: 'a/b' }, 'name to be 1 to 64 letters'],
    ['an empty name', { name: '' }, 'name to be 1 to 64 letters'],
    ['a long name', { name: 'a'.repeat(65) }, 'name to be 1 to 64 letters'],
    ['onEvent as a function', { onEvent: () => {} }, 'Expected onEvent to be an object, got function'],
    [
      'a handler that is none',
      { onEvent: { 'job.created': 'save' } },
      "handler of 'job.created' to be a function, got 'save'",
    ],
    [
      'a pattern that is none',
      { onEvent: { 'job.': () => {}, '**': () => {} } },
      "Expected an event pattern to be a type, a family such as 'job.*', or '*', got '**'",
    ],
    ['onError that is no function', { onError: 'log' }, "Expected onError to be a function, got 'log'"],
    ['onDelivery that is no function', { onDelivery: {} }, 'Expected onDelivery to be a function, got object'],
    ['onUnknownEvent that is no function', { onUnknownEvent: 1 }, 'Expected onUnknownEvent to be a function, got 1'],
    ['now that is no function', { now: 1 }, 'Expected now to be a function'],
    ['a tolerance of 0', { toleranceSeconds: 0 }, 'toleranceSeconds to be a whole number from 1'],
    ['a tolerance of NaN', { toleranceSeconds: Number.NaN }, 'toleranceSeconds'],
    ['a body limit of 0', { maxBodyBytes: 0 }, 'maxBodyBytes to be a whole number from 1'],
    ['an infinite body limit', { maxBodyBytes: Number.POSITIVE_INFINITY }, 'maxBodyBytes'],
    ['a reply timeout of 0', { replyTimeoutMs: 0 }, 'replyTimeoutMs'],
    ['a reply timeout that no timer keeps', { replyTimeoutMs: 2_147_483_648 }, 'to 2147483647, got 2147483648'],
    [
      'a store without release',
      { duplicates: { claim() {}, complete() {} } },
      'Expected duplicates to be an object with the methods claim, complete, release, got object',
    ],
    ['no store', { duplicates: 7 }, 'Expected duplicates to be'],
    [
      'an inbox without put',
      { inbox: { ...inbox, put: undefined } },
      'Expected inbox to be an object with the methods put, start, close, got object',
    ],
    ['null for an inbox', { inbox: null }, 'Expected inbox to be'],
    [
      'a logger without error',
      { logger: { warn() {} } },
      'Expected logger to be an object with the methods warn, error, got object',
    ],
    ['no sources', { allowedSources: [] }, 'Expected allowedSources to be addresses and CIDR ranges'],
    [
      'a schema that is none',
      { schemas: { 'job.created': {} } },
      "the '~standard' of the schema of job.created to be an object with the methods validate",
    ],
    [
      'null for a schema',
      { schemas: { 'job.created': null } },
      "the '~standard' of the schema of job.created to be an object with the methods validate",
    ],
  ])('refuses %s', (_given, options, saying) => {
    expect(make(options)).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringContaining(saying) }),
    )
  })

  it.each([undefined, null, 'whsec_'])('refuses %o in place of the options', (options) => {
    expect(() => createReceiver(options as unknown as ReceiverOptions<ScrapeNestEvents>)).toThrow(
      expect.objectContaining({
        code: 'configuration_invalid',
        message: expect.stringContaining('Expected the options to be an object'),
      }),
    )
  })

  it('takes undefined for every option that has a default', async () => {
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

  it('takes the largest reply timeout that a timer keeps', () => {
    expect(make({ replyTimeoutMs: 2_147_483_647, logger: recordingLogger() })).not.toThrow()
  })
})
