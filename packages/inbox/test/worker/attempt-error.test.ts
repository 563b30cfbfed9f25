import { runInNewContext } from 'node:vm'
import { PermanentError, WebhookError } from '@scrapenest-webhooks/core'
import { createInboxEvent } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { realms, thrownValues } from '../../../../test/thrown/thrown-values.ts'
import { toAttemptError } from '../../src/worker/attempt-error.ts'
import { maskUrls } from '../../src/worker/mask-urls.ts'

describe('the stored error of an attempt', () => {
  it.each(
    realms.flatMap((realm) => thrownValues(realm).map(({ what, value }) => [`${what}, from ${realm}`, value] as const)),
  )('is plain, storable text: %s', (_what, thrown) => {
    const error = toAttemptError(thrown)
    expect(error.code).toBe('handler_failed')
    for (const text of [error.name, error.message, error.stack ?? '']) {
      expect(typeof text).toBe('string')
      expect(text.length).toBeLessThanOrEqual(8193)
      expect(text).not.toMatch(/[\0\p{Surrogate}]/u)
    }
    expect(JSON.parse(JSON.stringify(error))).toEqual(error)
  })

  it("is the handler's error, not the one around it", () => {
    const error = new WebhookError('handler_failed', undefined, { cause: new RangeError('too far') })
    expect(toAttemptError(error)).toMatchObject({ code: 'handler_failed', name: 'RangeError', message: 'too far' })
  })

  it('includes what an AggregateError contains', () => {
    const error = new AggregateError([new Error('one'), new Error('two')], 'both')
    expect(toAttemptError(error).message).toBe('both Error: one Error: two')
  })

  it('is complete for an error from another realm, as under Jest', () => {
    const error: unknown = runInNewContext("new RangeError('too far')")
    expect(error).not.toBeInstanceOf(Error)
    expect(toAttemptError(error)).toMatchObject({ name: 'RangeError', message: 'too far', stack: expect.any(String) })
  })

  it('keeps the code of an error of this library', () => {
    expect(toAttemptError(new PermanentError('no')).code).toBe('permanent_failure')
  })
})

describe('the URLs of an event', () => {
  const eventWith = (download_url: string) => {
    const body = Buffer.from(JSON.stringify({ data: { download_url, other: [`${download_url}&x=1`] } }))
    return { ...createInboxEvent(), body }
  }

  it.each([
    'https://storage.example/a?X-Amz-Signature=SECRET',
    'https://Storage.example:443/ä b?X-Amz-Signature=SECRET',
    'https://s3 .example/a?X-Amz-Signature=SECRET',
    'https://user:SECRET@storage.example/a',
  ])('are not in the stored error: %s', (url) => {
    const error = new TypeError(`Failed to parse URL from ${url}`, { cause: new Error(url) })
    const stored = maskUrls(toAttemptError(error), eventWith(url))
    expect(JSON.stringify(stored)).not.toContain('SECRET')
    const href = URL.canParse(url) ? new URL(url).href : url
    expect(JSON.stringify(maskUrls(toAttemptError(new Error(href)), eventWith(url)))).not.toContain('SECRET')
  })

  it('leave the rest of the error unchanged', () => {
    const stored = maskUrls(toAttemptError(new Error('no space')), eventWith('https://a.example/?b'))
    expect(stored).toMatchObject({ code: 'handler_failed', name: 'Error', message: 'no space' })
  })
})
