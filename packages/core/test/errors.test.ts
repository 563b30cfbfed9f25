import { describe, expect, it } from 'vitest'
import * as core from '../src/index.ts'
import {
  codeOf,
  errorReply,
  isWebhookError,
  RetryLaterError,
  type WebhookError,
  type WebhookErrorCode,
} from '../src/index.ts'
import { answer, atStart, deliver, recordingLogger, secret } from './deliveries.ts'

const one: { readonly [Code in WebhookErrorCode]: WebhookError } = {
  body_aborted: new core.BodyAbortedError(new Error('cause')),
  body_timeout: new core.BodyTimeoutError(9000),
  body_too_large: new core.BodyTooLargeError(10),
  configuration_invalid: new core.ConfigurationError('text'),
  content_encoding_unsupported: new core.ContentEncodingUnsupportedError(),
  duplicate_header: new core.DuplicateHeaderError('svix-id'),
  envelope_invalid: new core.EnvelopeInvalidError('it is not JSON'),
  event_in_progress: new core.EventInProgressError(),
  handler_failed: new core.HandlerFailedError(new Error('cause')),
  handler_timeout: new core.HandlerTimeoutError(9000),
  message_id_invalid: new core.MessageIdInvalidError('svix-id'),
  method_not_allowed: new core.MethodNotAllowedError(),
  missing_header: new core.MissingHeaderError('svix-id'),
  no_supported_signature: new core.NoSupportedSignatureError('svix-signature', false),
  permanent_failure: new core.PermanentError('text'),
  raw_body_unavailable: new core.RawBodyUnavailableError('The fix.'),
  receiver_closing: new core.ReceiverClosingError(),
  retry_later: new core.RetryLaterError(),
  schema_mismatch: new core.SchemaMismatchError('job.created', []),
  secret_not_found: new core.SecretNotFoundError(),
  secret_unavailable: new core.SecretUnavailableError(new Error('cause')),
  signature_mismatch: new core.SignatureMismatchError(),
  source_not_allowed: new core.SourceNotAllowedError('192.0.2.7'),
  store_unavailable: new core.StoreUnavailableError(new Error('cause')),
  timestamp_invalid: new core.TimestampInvalidError('svix-timestamp'),
  timestamp_outside_tolerance: new core.TimestampOutsideToleranceError(301, 300),
}
const all = Object.entries(one)

describe('every error', () => {
  it.each(all)('%s has its code, its class name and a message', (code, error) => {
    expect(error).toBeInstanceOf(core.WebhookError)
    expect(error).toMatchObject({ code, name: error.constructor.name, library: 'scrapenest-webhooks' })
    expect(error.message.length).toBeGreaterThan(3)
    expect([isWebhookError(error), codeOf(error)]).toEqual([true, code])
  })

  it.each(all)('%s has a reply that says its code and nothing else', (code, error) => {
    const { status, body } = errorReply(error)
    expect(JSON.parse(body)).toEqual(code === 'permanent_failure' ? { status: 'dropped' } : { error: code })
    expect(status).toBeGreaterThanOrEqual(code === 'permanent_failure' ? 202 : 400)
  })

  it('keeps its cause', () => {
    for (const code of ['body_aborted', 'handler_failed', 'secret_unavailable', 'store_unavailable'] as const) {
      expect(one[code].cause).toEqual(new Error('cause'))
    }
  })
})

describe('RetryLaterError', () => {
  it.each([
    [undefined, 30],
    [90, 90],
    [1.2, 2],
    [0, 1],
    [-5, 1],
    [Number.NaN, 30],
    [Number.POSITIVE_INFINITY, 30],
    [1e300, 2_147_483_647],
  ])('with %s s asks for %i s', (given, retryAfterSeconds) => {
    const error =
      given === undefined ? new RetryLaterError() : new RetryLaterError('busy', { retryAfterSeconds: given })
    expect(error.retryAfterSeconds).toBe(retryAfterSeconds)
    expect(errorReply(error).headers['retry-after']).toBe(String(retryAfterSeconds))
  })

  it.each<[string, unknown]>([
    ['no number', undefined],
    ['a fraction', 1.5],
    ['a negative number', -1],
    ['an exponent', 1e300],
    ['a header of its own', '5\r\nset-cookie: a=b'],
  ])('made by hand with %s asks for 30 s', (_given, retryAfterSeconds) => {
    const handmade = { library: 'scrapenest-webhooks', code: 'retry_later', retryAfterSeconds }
    expect(errorReply(handmade)).toMatchObject({ status: 503, headers: { 'retry-after': '30' } })
  })

  it('whose time cannot be read asks for 30 s', () => {
    const handmade = {
      library: 'scrapenest-webhooks',
      code: 'retry_later',
      get retryAfterSeconds() {
        throw new Error('looked at')
      },
    }
    expect(errorReply(handmade)).toMatchObject({ status: 503, headers: { 'retry-after': '30' } })
  })

  it('carries a cause', () => {
    const cause = new Error('database is down')
    expect(new RetryLaterError('busy', { cause })).toMatchObject({ message: 'busy', cause })
  })
})

describe('the guards', () => {
  const throwing = () => {
    throw new Error('looked at')
  }
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'signature_mismatch'],
    ['a number', 7],
    ['a bigint', 7n],
    ['a symbol', Symbol('library')],
    ['a function', () => {}],
    ['a plain error', new Error('no')],
    ['an object without prototype', Object.create(null)],
    [
      'an error of another library with a code',
      Object.assign(new Error('no'), { code: 'signature_mismatch', library: 'other' }),
    ],
    ['our mark without a code', { library: 'scrapenest-webhooks' }],
    ['our mark with a code that is no text', { library: 'scrapenest-webhooks', code: 7 }],
    ['a getter of the mark that throws', Object.defineProperty({}, 'library', { get: throwing })],
    [
      'a getter of the code that throws',
      Object.defineProperty({ library: 'scrapenest-webhooks' }, 'code', { get: throwing }),
    ],
    ['a proxy that throws', new Proxy({}, { get: throwing, has: throwing, getPrototypeOf: throwing })],
    ['a revoked proxy', revoked.proxy],
  ])('say no to %s, and do not throw', (_given, value) => {
    expect(isWebhookError(value)).toBe(false)
    expect(codeOf(value)).toBeUndefined()
    expect(errorReply(value)).toMatchObject({ status: 500, body: '{"error":"handler_failed"}' })
  })
})

describe('a second copy of this package', () => {
  // The query makes Node and Vitest load the same file once more: another class with the same name.
  const secondCopy: Promise<typeof core> = import(new URL('../src/errors.ts?copy', import.meta.url).href)

  it('has classes that instanceof does not know, and the guards do', async () => {
    const { SignatureMismatchError, isWebhookError: isTheirs } = await secondCopy
    const foreign = new SignatureMismatchError()
    expect(foreign).not.toBeInstanceOf(core.WebhookError)
    expect([isWebhookError(foreign), codeOf(foreign)]).toEqual([true, 'signature_mismatch'])
    expect(isTheirs(new core.SignatureMismatchError())).toBe(true)
  })

  it.each([
    ['PermanentError', 202, { status: 'dropped' }],
    ['RetryLaterError', 503, { error: 'retry_later' }],
  ] as const)('may be where a handler takes %s from', async (name, status, body) => {
    const copy = await secondCopy
    const receiver = core.createReceiver({
      secret,
      ...atStart,
      logger: recordingLogger(),
      onEvent: {
        '*': () => {
          throw new copy[name]('from the other copy')
        },
      },
    })
    expect(await answer(receiver)).toEqual({ status, body })
  })

  it('may be where an adapter takes its errors from', async () => {
    const { RawBodyUnavailableError } = await secondCopy
    const receiver = core.createReceiver({ secret, ...atStart, logger: recordingLogger() })
    const request = { ...deliver(), body: () => Promise.reject(new RawBodyUnavailableError('The fix.')) }
    expect(await answer(receiver, request)).toEqual({ status: 500, body: { error: 'raw_body_unavailable' } })
  })
})
