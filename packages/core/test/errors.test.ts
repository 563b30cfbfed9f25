import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { codeOf, errorReply, messageOf, pageUrl, withPage } from '../src/adapter.ts'
import { asWebhookError, retryAfterSecondsOf, rowOf } from '../src/errors.ts'
import * as core from '../src/index.ts'
import {
  isWebhookError,
  PermanentError,
  RetryLaterError,
  SchemaMismatchError,
  WebhookError,
  type WebhookErrorCode,
} from '../src/index.ts'
import { answer, deliver, failing, testReceiver, thrownBy } from './deliveries.ts'

/** What `messageOf` returns for an unreadable value. */
const unreadable = 'a value that cannot be shown as text'

/** The promised list of codes: the status of each, and the body of the reply. */
const promised: Readonly<Record<WebhookErrorCode, readonly [status: number, body: object]>> = {
  body_aborted: [400, { error: 'body_aborted' }],
  body_timeout: [408, { error: 'body_timeout' }],
  body_too_large: [413, { error: 'body_too_large' }],
  configuration_invalid: [500, { error: 'configuration_invalid' }],
  content_encoding_unsupported: [415, { error: 'content_encoding_unsupported' }],
  content_type_unsupported: [415, { error: 'content_type_unsupported' }],
  duplicate_header: [400, { error: 'duplicate_header' }],
  envelope_invalid: [400, { error: 'envelope_invalid' }],
  event_in_progress: [409, { error: 'event_in_progress' }],
  handler_failed: [500, { error: 'handler_failed' }],
  handler_timeout: [503, { error: 'handler_timeout' }],
  message_id_invalid: [400, { error: 'message_id_invalid' }],
  method_not_allowed: [405, { error: 'method_not_allowed' }],
  missing_header: [400, { error: 'missing_header' }],
  no_supported_signature: [400, { error: 'no_supported_signature' }],
  permanent_failure: [202, { status: 'dropped' }],
  raw_body_unavailable: [500, { error: 'raw_body_unavailable' }],
  receiver_closing: [503, { error: 'receiver_closing' }],
  retry_later: [503, { error: 'retry_later' }],
  schema_mismatch: [500, { error: 'schema_mismatch' }],
  secret_not_found: [400, { error: 'signature_mismatch' }],
  secret_unavailable: [503, { error: 'secret_unavailable' }],
  signature_mismatch: [400, { error: 'signature_mismatch' }],
  source_not_allowed: [403, { error: 'source_not_allowed' }],
  store_unavailable: [503, { error: 'store_unavailable' }],
  timestamp_invalid: [400, { error: 'timestamp_invalid' }],
  timestamp_outside_tolerance: [400, { error: 'timestamp_outside_tolerance' }],
}
const codes = Object.keys(promised) as readonly WebhookErrorCode[]

/** An error with this code, of the class that can carry it. */
function errorOf(code: WebhookErrorCode, detail?: string): Error {
  if (code === 'retry_later') return new RetryLaterError(detail)
  if (code === 'schema_mismatch') return new SchemaMismatchError('job.created', [detail])
  return new WebhookError(code, detail)
}

describe('every error', () => {
  it.each(codes)('%s is recognized by its code and explains itself in sentences', (code) => {
    const error = errorOf(code)
    expect(error).toBeInstanceOf(WebhookError)
    expect(error).toMatchObject({ code, library: 'scrapenest-webhooks' })
    expect(error.message).toMatch(/^[A-Z].+\. https:\S+$/s)
    expect([isWebhookError(error), codeOf(error)]).toEqual([true, code])
  })

  it.each(codes)('%s has a reply that reveals nothing but the promised code', (code) => {
    const { status, body } = errorReply(errorOf(code, 'Not for strangers.'))
    expect([status, JSON.parse(body)]).toEqual(promised[code])
  })

  it.each(codes.filter((code) => code !== 'retry_later' && code !== 'schema_mismatch'))(
    '%s adds a detail to its own sentence',
    (code) => {
      const { message } = rowOf(code)
      expect(new WebhookError(code).message).toBe(withPage(message, code))
      const thrownByHandlers = code === 'permanent_failure'
      const explained = `${message} This is why.`
      expect(new WebhookError(code, 'This is why.').message).toBe(
        thrownByHandlers ? explained : withPage(explained, code),
      )
    },
  )

  it('keeps its cause, and has no cause property without one', () => {
    expect(new WebhookError('store_unavailable', undefined, { cause: 7 }).cause).toBe(7)
    expect(new WebhookError('store_unavailable')).not.toHaveProperty('cause')
  })

  it('carries the facts of its failure as properties', () => {
    const facts = { header: 'svix-id', ageSeconds: -301, toleranceSeconds: 300, maxBytes: 9 }
    expect(new WebhookError('missing_header', undefined, facts)).toMatchObject(facts)
  })

  it('has no property for an unknown fact', () => {
    expect(Object.keys(new WebhookError('missing_header')).sort()).toEqual(['code', 'name'])
  })

  it.each(['code_of_tomorrow', 'constructor', '', undefined, null, 7])('cannot have the code %o', (code) => {
    expect(thrownBy(() => new WebhookError(code as 'missing_header'))).toEqual(
      new TypeError(`Expected an error code of scrapenest-webhooks, got ${String(code)}.`),
    )
  })

  it.each([
    ['retry_later', 'RetryLaterError'],
    ['schema_mismatch', 'SchemaMismatchError'],
  ])('cannot be a plain WebhookError with the code %s, which needs the fields of %s', (code, name) => {
    const error = thrownBy(() => new WebhookError(code as 'missing_header'))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain(`Only ${name} can carry ${code}`)
  })
})

describe('the classes for applications', () => {
  it.each([
    [new PermanentError('The fix.', { cause: 7 }), 'PermanentError', 'permanent_failure'],
    [new RetryLaterError('The fix.', { cause: 7 }), 'RetryLaterError', 'retry_later'],
  ])('keep the whole message, including in the stack: %s', (error, name, code) => {
    expect(error).toBeInstanceOf(WebhookError)
    expect(error).toMatchObject({ name, code, message: 'The fix.', cause: 7 })
    expect(error.stack).toContain('The fix.')
  })

  it('names the page of its code after the fix: ConfigurationError', () => {
    const error = new core.ConfigurationError('The fix.', { cause: 7 })
    const message = `The fix. ${pageUrl('errors/configuration_invalid.md')}`
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'configuration_invalid', message, cause: 7 })
  })

  it('have a default message', () => {
    expect(new PermanentError().message).toBe(withPage(rowOf('permanent_failure').message, 'permanent_failure'))
    expect(new RetryLaterError().message).toBe(withPage(rowOf('retry_later').message, 'retry_later'))
  })

  it('keep the issues of a schema out of what loggers copy', () => {
    const error = new SchemaMismatchError('job.created', [{ input: 'credential' }], { cause: 7 })
    expect(error).toMatchObject({
      name: 'SchemaMismatchError',
      message: withPage('The schema for job.created rejected the data.', 'schema_mismatch'),
      issues: [{ input: 'credential' }],
      cause: 7,
    })
    expect(Object.keys(error)).not.toContain('issues')
    expect(JSON.stringify(error)).not.toContain('credential')
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
    expect(codeOf(error)).toBe('retry_later')
    expect(errorReply(error).headers['retry-after']).toBe(String(retryAfterSeconds))
  })
})

describe('a hand-made error', () => {
  const byHand = (fields: object): object => ({ library: 'scrapenest-webhooks', ...fields })

  it('counts as retry_later with a delay that a header and a timer can carry', () => {
    const error = byHand({ code: 'retry_later', retryAfterSeconds: 45 })
    expect(codeOf(error)).toBe('retry_later')
    expect(errorReply(error)).toMatchObject({ status: 503, headers: { 'retry-after': '45' } })
  })

  it.each([undefined, null, '5', 1.5, 0, -1, Number.NaN, 1e300, '5\r\nset-cookie: a=b', 7n])(
    'does not count as retry_later with the delay %o',
    (retryAfterSeconds) => {
      const error = byHand({ code: 'retry_later', retryAfterSeconds })
      expect(codeOf(error)).toBeUndefined()
      expect(errorReply(error)).toMatchObject({ status: 500, body: '{"error":"handler_failed"}' })
    },
  )

  it('counts as schema_mismatch with a list of issues only', () => {
    expect(codeOf(byHand({ code: 'schema_mismatch', issues: [] }))).toBe('schema_mismatch')
    expect(codeOf(byHand({ code: 'schema_mismatch' }))).toBeUndefined()
    expect(codeOf(byHand({ code: 'schema_mismatch', issues: 'none' }))).toBeUndefined()
  })

  it('is not an error of this library with a code that does not exist', () => {
    expect(codeOf(byHand({ code: 'code_of_tomorrow' }))).toBeUndefined()
    expect(codeOf(byHand({ code: 'toString' }))).toBeUndefined()
  })

  it.each(['retry_later', 'schema_mismatch'])('as a subclass without the fields of %s is a failed handler', (code) => {
    class Smuggler extends WebhookError {
      constructor() {
        super(code as 'missing_header')
      }
    }
    expect(codeOf(new Smuggler())).toBeUndefined()
    expect(errorReply(new Smuggler())).toMatchObject({ status: 500, body: '{"error":"handler_failed"}' })
  })
})

describe('the guards', () => {
  const throwing = failing(new Error('looked at'))
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'signature_mismatch'],
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
    ['our mark with a code that is not a string', { library: 'scrapenest-webhooks', code: 7 }],
    ['a getter of the mark that throws', Object.defineProperty({}, 'library', { get: throwing })],
    [
      'a getter of the code that throws',
      Object.defineProperty({ library: 'scrapenest-webhooks' }, 'code', { get: throwing }),
    ],
    [
      'a getter of the delay that throws',
      Object.defineProperty({ library: 'scrapenest-webhooks', code: 'retry_later' }, 'retryAfterSeconds', {
        get: throwing,
      }),
    ],
    ['a proxy that throws', new Proxy({}, { get: throwing, has: throwing, getPrototypeOf: throwing })],
    ['a revoked proxy', revoked.proxy],
  ])('reject %s without throwing', (_given, value) => {
    expect(isWebhookError(value)).toBe(false)
    expect(codeOf(value)).toBeUndefined()
    expect(errorReply(value)).toMatchObject({ status: 500, body: '{"error":"handler_failed"}' })
  })
})

describe('retryAfterSecondsOf', () => {
  it.each<[string, unknown, number]>([
    ['a RetryLaterError', new RetryLaterError('busy', { retryAfterSeconds: 45 }), 45],
    ['any other error', new Error('no'), 30],
    ['undefined', undefined, 30],
    ['a getter that throws', Object.defineProperty({}, 'retryAfterSeconds', { get: failing(new Error('no')) }), 30],
  ])('reads the delay of %s', (_given, error, seconds) => {
    expect(retryAfterSecondsOf(error)).toBe(seconds)
  })
})

describe('messageOf', () => {
  it.each<[string, unknown, string]>([
    ['an error', new Error('no'), 'no'],
    ['an error from another realm', runInNewContext("new RangeError('far')"), 'far'],
    ['text', 'text', 'text'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an error whose message is null', Object.assign(new Error('no'), { message: null }), 'Error: null'],
    ['a getter that throws', Object.defineProperty({}, 'message', { get: failing(new Error('no')) }), unreadable],
    ['an object that has no text', Object.create(null), unreadable],
  ])('is the message or the text of %s', (_given, thrown, message) => {
    expect(messageOf(thrown)).toBe(message)
  })
})

describe('asWebhookError', () => {
  it('returns an error of the code itself, and wraps any other', () => {
    const own = new WebhookError('store_unavailable')
    expect(asWebhookError('store_unavailable', own)).toBe(own)
    const other = new WebhookError('secret_unavailable')
    expect(asWebhookError('store_unavailable', other)).toMatchObject({ code: 'store_unavailable', cause: other })
  })
})

describe('a second copy of this package', () => {
  // The query makes Node and Vitest load the same file again: another class with the same name.
  const secondCopy: Promise<typeof core> = import(new URL('../src/errors.ts?copy', import.meta.url).href)

  it('has classes that instanceof does not recognize, and the guards do', async () => {
    const { WebhookError: TheirError, isWebhookError: isTheirs } = await secondCopy
    const foreign = new TheirError('signature_mismatch')
    expect(foreign).not.toBeInstanceOf(WebhookError)
    expect([isWebhookError(foreign), codeOf(foreign)]).toEqual([true, 'signature_mismatch'])
    expect(isTheirs(new WebhookError('signature_mismatch'))).toBe(true)
  })

  it.each([
    ['PermanentError', 202, { status: 'dropped' }],
    ['RetryLaterError', 503, { error: 'retry_later' }],
  ] as const)('provides a %s that a handler may throw', async (name, status, body) => {
    const copy = await secondCopy
    const receiver = testReceiver({ onEvent: { '*': () => failing(new copy[name]('from the other copy'))() } })
    expect(await answer(receiver)).toEqual({ status, body })
  })

  it('provides the errors that an adapter throws', async () => {
    const { WebhookError: TheirError } = await secondCopy
    const request = { ...deliver(), body: () => Promise.reject(new TheirError('raw_body_unavailable', 'The fix.')) }
    expect(await answer(testReceiver(), request)).toEqual({ status: 500, body: { error: 'raw_body_unavailable' } })
  })
})
