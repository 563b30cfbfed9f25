import type { InboxRecord } from '@scrapenest-webhooks/inbox'
import { describe, expect, it } from 'vitest'
import { maskCredentials } from '../../src/inbox/mask-credentials.ts'

const url = 'https://s3.example/a b?X-Amz-Signature=TOPSECRET'

function record(message: string, download_url: string | undefined = url): InboxRecord {
  const error = { code: 'handler_failed', name: 'TypeError', message, stack: `TypeError: ${message}\n    at handler` }
  return {
    envelope: download_url === undefined ? undefined : { event_type: 'artifact.ready', data: { download_url } },
    history: [{ attempt: 1, replay: 0, startedAt: new Date(0), durationMs: 1, error }],
    // The rest of a record does not matter here.
  } as unknown as InboxRecord
}

describe('maskCredentials', () => {
  it('keeps the origin of a download_url', () => {
    const { envelope } = maskCredentials(record('no'))
    expect(envelope).toMatchObject({ data: { download_url: 'https://s3.example/… (--reveal shows it)' } })
  })

  it.each([
    ['the URL of the event', `Failed to parse URL from ${url}`],
    ['its normalized form', `GET ${new URL(url).href} failed`],
    ['another URL with a query', 'GET https://other.example/x?sig=TOPSECRET failed'],
    ['a URL with a password', 'GET https://user:TOPSECRET@other.example/x failed'],
    ['a URL that cannot be parsed', 'Invalid URL https://s3 .example/a?X-Amz-Signature=TOPSECRET&a=b'],
    ['a signing secret', 'whsec_TOPSECRET/+= is malformed'],
    ['an API key', 'the key sn_live_TOPSECRET is unknown'],
    ['an authorization header', 'Authorization: Bearer TOPSECRET.abc'],
  ])('hides %s in errors', (_what, message) => {
    for (const masked of [maskCredentials(record(message)), maskCredentials(record(message, undefined))]) {
      const [attempt] = masked.history
      expect(attempt?.error?.message).toContain('…')
      expect(JSON.stringify(masked)).not.toContain('TOPSECRET')
    }
  })

  it('leaves other errors and successful attempts unchanged', () => {
    const message = 'connect ECONNREFUSED 127.0.0.1:5432 (https://docs.example/errors)'
    expect(maskCredentials(record(message)).history).toEqual(record(message).history)
    const succeeded = { ...record(''), history: [{ attempt: 1, replay: 0, startedAt: new Date(0), durationMs: 1 }] }
    expect(maskCredentials(succeeded).history).toEqual(succeeded.history)
  })
})
