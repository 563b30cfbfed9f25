import { describe, expect, it } from 'vitest'
import * as core from '../src/index.ts'
import { codeOf, errorReply, isWebhookError, RetryLaterError, WebhookError } from '../src/index.ts'
import { allCodes } from './codes.ts'
import { answer, atStart, deliver, recordingLogger, secret } from './deliveries.ts'

describe('every error', () => {
  it.each(allCodes)('%s has its code, its name, and says what it is', (code) => {
    const error = new WebhookError(code)
    const words = code.replaceAll('_', ' ')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ code, name: 'WebhookError', library: 'scrapenest-webhooks' })
    expect(error.message).toBe(`${words[0]?.toUpperCase()}${words.slice(1)}.`)
    expect(new WebhookError(code, 'and why.').message).toBe(`${error.message.slice(0, -1)}: and why.`)
    expect([isWebhookError(error), codeOf(error)]).toEqual([true, code])
  })

  it.each(allCodes)('%s has a reply that says its code and nothing else', (code) => {
    const { status, body } = errorReply(new WebhookError(code, 'not for strangers'))
    expect(JSON.parse(body)).toEqual(code === 'permanent_failure' ? { status: 'dropped' } : { error: code })
    expect(status).toBeGreaterThanOrEqual(code === 'permanent_failure' ? 202 : 400)
  })

  it('keeps its cause, and has none where there was none', () => {
    expect(new WebhookError('store_unavailable', undefined, { cause: 7 }).cause).toBe(7)
    expect(new WebhookError('store_unavailable')).not.toHaveProperty('cause')
  })

  it.each([
    [new core.ConfigurationError('The fix.', { cause: 7 }), 'ConfigurationError', 'configuration_invalid'],
    [new core.PermanentError('The fix.', { cause: 7 }), 'PermanentError', 'permanent_failure'],
    [new RetryLaterError('The fix.', { cause: 7 }), 'RetryLaterError', 'retry_later'],
  ])('says what whoever throws it says, in the stack too: %s', (error, name, code) => {
    expect(error).toBeInstanceOf(WebhookError)
    expect(error).toMatchObject({ name, code, message: 'The fix.', cause: 7 })
    expect(error.stack).toContain('The fix.')
  })

  it('has words where whoever throws it has none', () => {
    expect(new core.PermanentError().message).toBe('Permanent failure.')
    expect(new RetryLaterError().message).toBe('Retry later.')
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

  it.each<[string, unknown, string]>([
    ['no number', undefined, '30'],
    ['a text', '5', '30'],
    ['a fraction', 1.5, '2'],
    ['a negative number', -1, '1'],
    ['an exponent', 1e300, '2147483647'],
    ['a header of its own', '5\r\nset-cookie: a=b', '30'],
  ])('made by hand with %s asks for a time that a header can carry', (_given, retryAfterSeconds, seconds) => {
    const handmade = { library: 'scrapenest-webhooks', code: 'retry_later', retryAfterSeconds }
    expect(errorReply(handmade)).toMatchObject({ status: 503, headers: { 'retry-after': seconds } })
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
    const { WebhookError: TheirError, isWebhookError: isTheirs } = await secondCopy
    const foreign = new TheirError('signature_mismatch')
    expect(foreign).not.toBeInstanceOf(WebhookError)
    expect([isWebhookError(foreign), codeOf(foreign)]).toEqual([true, 'signature_mismatch'])
    expect(isTheirs(new WebhookError('signature_mismatch'))).toBe(true)
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
    const { WebhookError: TheirError } = await secondCopy
    const receiver = core.createReceiver({ secret, ...atStart, logger: recordingLogger() })
    const request = { ...deliver(), body: () => Promise.reject(new TheirError('raw_body_unavailable', 'the fix.')) }
    expect(await answer(receiver, request)).toEqual({ status: 500, body: { error: 'raw_body_unavailable' } })
  })
})
