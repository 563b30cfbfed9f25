import { describe, expect, it, vi } from 'vitest'
import {
  createReceiver,
  type DuplicateStore,
  type InboxConnection,
  PermanentError,
  type ReceiverOptions,
  RetryLaterError,
  type ScrapeNestEvents,
  WebhookError,
  type WebhookReply,
  type WebhookRequest,
} from '../../src/index.ts'
import {
  answer,
  atStart,
  deferred,
  deliver,
  eventOf,
  otherSecret,
  recordingLogger,
  secret,
  startMs,
} from '../deliveries.ts'

type Options = Partial<ReceiverOptions<ScrapeNestEvents, unknown>>

const json = { 'content-type': 'application/json; charset=utf-8' }
const hang = (): Promise<never> => new Promise(() => {})
const failing = (error: unknown) => () => {
  throw error
}

function receiverWith(options: Options = {}) {
  return createReceiver({ secret, logger: recordingLogger(), ...atStart, ...options })
}

interface ReplyRow {
  readonly outcome: string
  readonly options?: Options
  readonly request?: () => WebhookRequest
  /** Received before the delivery that is looked at; its reply does not matter. */
  readonly before?: readonly (() => WebhookRequest)[]
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

const closing = { connection: 'close' }
const soon = { 'retry-after': '10' }
const later = { 'retry-after': '30' }
const brokenStore: DuplicateStore = { claim: failing(new Error('no store')), complete: () => {}, release: () => {} }
const busyStore: DuplicateStore = { claim: () => ({ state: 'in_progress' }), complete: () => {}, release: () => {} }
const inboxOf = (put: InboxConnection['put']): InboxConnection => ({
  put,
  start: async () => {},
  close: async () => {},
})

const replies: readonly ReplyRow[] = [
  { outcome: 'handled', status: 202, body: '{"status":"accepted"}' },
  {
    outcome: 'of an unknown type',
    request: () => deliver(eventOf('new.event')),
    status: 202,
    body: '{"status":"accepted"}',
  },
  {
    outcome: 'stored in the inbox',
    options: { inbox: inboxOf(async () => 'stored') },
    status: 202,
    body: '{"status":"accepted"}',
  },
  { outcome: 'a duplicate of a handled event', before: [deliver], status: 202, body: '{"status":"duplicate"}' },
  {
    outcome: 'a duplicate of a stored event',
    options: { inbox: inboxOf(async () => 'duplicate') },
    status: 202,
    body: '{"status":"duplicate"}',
  },
  {
    outcome: 'given up by a handler',
    options: { onEvent: { '*': failing(new PermanentError('gone')) } },
    status: 202,
    body: '{"status":"dropped"}',
  },
  {
    outcome: 'still being handled',
    options: { duplicates: busyStore },
    status: 409,
    body: '{"error":"event_in_progress"}',
    headers: soon,
  },
  {
    outcome: 'without headers',
    request: () => ({ method: 'POST', headers: {}, body: async () => new Uint8Array() }),
    status: 400,
    body: '{"error":"missing_header"}',
  },
  {
    outcome: 'without an id',
    request: () => deliver('x', { headers: { 'svix-id': undefined } }),
    status: 400,
    body: '{"error":"missing_header"}',
    headers: closing,
  },
  {
    outcome: 'with two ids',
    request: () => ({ ...deliver(), headers: { ...deliver().headers, 'Svix-Id': 'msg_2' } }),
    status: 400,
    body: '{"error":"duplicate_header"}',
    headers: closing,
  },
  {
    outcome: 'with a malformed id',
    request: () => deliver('x', { headers: { 'svix-id': 'a.b' } }),
    status: 400,
    body: '{"error":"message_id_invalid"}',
    headers: closing,
  },
  {
    outcome: 'with a malformed timestamp',
    request: () => deliver('x', { headers: { 'svix-timestamp': '1e9' } }),
    status: 400,
    body: '{"error":"timestamp_invalid"}',
    headers: closing,
  },
  {
    outcome: 'stale',
    request: () => deliver('x', { sentAtMs: startMs - 301_000 }),
    status: 400,
    body: '{"error":"timestamp_outside_tolerance"}',
    headers: closing,
  },
  {
    outcome: 'from the future',
    request: () => deliver('x', { sentAtMs: startMs + 301_000 }),
    status: 400,
    body: '{"error":"timestamp_outside_tolerance"}',
    headers: closing,
  },
  {
    outcome: 'without a signature we support',
    request: () => deliver('x', { headers: { 'svix-signature': 'v1a,x' } }),
    status: 400,
    body: '{"error":"no_supported_signature"}',
    headers: closing,
  },
  {
    outcome: 'signed with another secret',
    request: () => deliver(undefined, { secret: otherSecret }),
    status: 400,
    body: '{"error":"signature_mismatch"}',
  },
  { outcome: 'no event', request: () => deliver('hello'), status: 400, body: '{"error":"envelope_invalid"}' },
  { outcome: 'empty', request: () => deliver(''), status: 400, body: '{"error":"envelope_invalid"}' },
  {
    outcome: 'for which there is no secret',
    options: { secret: () => undefined },
    status: 400,
    body: '{"error":"secret_not_found"}',
    headers: closing,
  },
  {
    outcome: 'cut off',
    request: () => deliver(undefined, { body: failing(new Error('gone')) } as object),
    status: 400,
    body: '{"error":"body_aborted"}',
    headers: closing,
  },
  {
    outcome: 'from an address that is not allowed',
    options: { allowedSources: ['198.51.100.0/24'] },
    status: 403,
    body: '{"error":"source_not_allowed"}',
    headers: closing,
  },
  {
    outcome: 'no POST',
    request: () => deliver(undefined, { method: 'PUT' }),
    status: 405,
    body: '{"error":"method_not_allowed"}',
    headers: { allow: 'POST', ...closing },
  },
  {
    outcome: 'too slow',
    options: { replyTimeoutMs: 5 },
    request: () => deliver(undefined, { body: hang } as object),
    status: 408,
    body: '{"error":"body_timeout"}',
    headers: closing,
  },
  {
    outcome: 'too large, as declared',
    options: { maxBodyBytes: 9 },
    status: 413,
    body: '{"error":"body_too_large"}',
    headers: closing,
  },
  {
    outcome: 'too large, as read',
    options: { maxBodyBytes: 9 },
    request: () => deliver(undefined, { headers: { 'content-length': undefined } }),
    status: 413,
    body: '{"error":"body_too_large"}',
  },
  {
    outcome: 'compressed',
    request: () => deliver(undefined, { headers: { 'content-encoding': 'gzip' } }),
    status: 415,
    body: '{"error":"content_encoding_unsupported"}',
    headers: closing,
  },
  {
    outcome: 'failed by a handler',
    options: { onEvent: { '*': failing(new Error('no')) } },
    status: 500,
    body: '{"error":"handler_failed"}',
  },
  {
    outcome: 'refused by its schema',
    options: {
      schemas: { 'job.created': { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{}] }) } } },
    },
    status: 500,
    body: '{"error":"schema_mismatch"}',
  },
  {
    outcome: 'handled too slowly',
    options: { replyTimeoutMs: 5, onEvent: { '*': hang } },
    status: 503,
    body: '{"error":"handler_timeout"}',
    headers: later,
  },
  {
    outcome: 'put off by a handler',
    options: { onEvent: { '*': failing(new RetryLaterError('busy', { retryAfterSeconds: 77 })) } },
    status: 503,
    body: '{"error":"retry_later"}',
    headers: { 'retry-after': '77' },
  },
  {
    outcome: 'not to be remembered',
    options: { duplicates: brokenStore },
    status: 503,
    body: '{"error":"store_unavailable"}',
    headers: later,
  },
  {
    outcome: 'not to be stored',
    options: { inbox: inboxOf(async () => failing(new Error('full'))()) },
    status: 503,
    body: '{"error":"store_unavailable"}',
    headers: later,
  },
  {
    outcome: 'without a secret for the moment',
    options: { secret: failing(new Error('down')) },
    status: 503,
    body: '{"error":"secret_unavailable"}',
    headers: { ...later, ...closing },
  },
  {
    outcome: 'parsed by somebody else',
    request: () => deliver(undefined, { body: failing(new WebhookError('raw_body_unavailable', 'fix')) } as object),
    status: 500,
    body: '{"error":"raw_body_unavailable"}',
    headers: closing,
  },
  {
    outcome: 'handed over without bytes',
    request: () => deliver(undefined, { body: async () => ({}) } as object),
    status: 500,
    body: '{"error":"raw_body_unavailable"}',
    headers: closing,
  },
  {
    outcome: 'for which the secret is malformed',
    options: { secret: () => 'whsec_' },
    status: 500,
    body: '{"error":"configuration_invalid"}',
    headers: closing,
  },
  {
    outcome: 'without an address that allowedSources could be held against',
    options: { allowedSources: ['192.0.2.0/24'] },
    request: () => deliver(undefined, { remoteAddress: undefined }),
    status: 500,
    body: '{"error":"configuration_invalid"}',
    headers: closing,
  },
]

describe('the reply to a delivery that is', () => {
  it.each(replies)(
    '$outcome: $status $body',
    async ({ options, request = deliver, before = [], status, body, headers }) => {
      const receiver = receiverWith(options)
      for (const earlier of before) await receiver.receive(earlier())
      const expected: WebhookReply = { status, headers: { ...json, ...headers }, body }
      expect(await receiver.receive(request())).toEqual(expected)
    },
  )

  it('closing: 503 receiver_closing', async () => {
    const receiver = receiverWith()
    await receiver.close()
    expect(await receiver.receive(deliver())).toEqual({
      status: 503,
      headers: { ...json, ...later, ...closing },
      body: '{"error":"receiver_closing"}',
    })
  })
})

describe('the order of the steps', () => {
  /** One fault after the other is taken away: the reply moves on by one step each time. */
  const faults: readonly { readonly code: string; readonly mend: (given: Given) => void }[] = [
    {
      code: 'method_not_allowed',
      mend: (given) => {
        given.request.method = 'POST'
      },
    },
    {
      code: 'source_not_allowed',
      mend: (given) => {
        given.request.remoteAddress = '192.0.2.7'
      },
    },
    {
      code: 'content_encoding_unsupported',
      mend: (given) => {
        delete given.request.headers['content-encoding']
      },
    },
    {
      code: 'body_too_large',
      mend: (given) => {
        given.request.headers['content-length'] = '100'
      },
    },
    {
      code: 'message_id_invalid',
      mend: (given) => {
        given.request.headers['svix-id'] = 'msg_1'
      },
    },
    {
      code: 'timestamp_invalid',
      mend: (given) => {
        given.request.headers['svix-timestamp'] = String(startMs / 1000 - 301)
      },
    },
    {
      code: 'timestamp_outside_tolerance',
      mend: (given) => {
        given.request.headers['svix-timestamp'] = String(startMs / 1000)
      },
    },
    {
      code: 'no_supported_signature',
      mend: (given) => {
        given.request.headers['svix-signature'] = deliver('x', { secret: otherSecret }).headers['svix-signature'] ?? ''
      },
    },
    {
      code: 'secret_not_found',
      mend: (given) => {
        given.secret = secret
      },
    },
    {
      code: 'body_aborted',
      mend: (given) => {
        given.bytes = 'hello'
      },
    },
    {
      code: 'signature_mismatch',
      mend: (given) => {
        given.request.headers['svix-signature'] = deliver('hello').headers['svix-signature'] ?? ''
      },
    },
    { code: 'envelope_invalid', mend: () => {} },
  ]
  interface Given {
    secret: string | undefined
    bytes: string | undefined
    readonly request: { method: string; remoteAddress: string; headers: Record<string, string> }
  }

  it('is: method, source, encoding, length, id, timestamp, window, signature form, secret, body, MAC, envelope', async () => {
    const given: Given = {
      secret: undefined,
      bytes: undefined,
      request: {
        method: 'GET',
        remoteAddress: '203.0.113.1',
        headers: {
          'content-encoding': 'br',
          'content-length': '9999999',
          'svix-id': 'a.b',
          'svix-timestamp': 'x',
          'svix-signature': 'x',
        },
      },
    }
    const receiver = receiverWith({ secret: () => given.secret, allowedSources: ['192.0.2.0/24'] })
    const body = vi.fn(async () => {
      if (given.bytes === undefined) throw new Error('broken')
      return Buffer.from(given.bytes)
    })
    const seen: { readonly code: unknown; readonly bodyCalls: number }[] = []
    for (const { mend } of faults) {
      const reply = await receiver.receive({ ...given.request, body })
      seen.push({ code: JSON.parse(reply.body).error, bodyCalls: body.mock.calls.length })
      mend(given)
    }
    expect(seen.map(({ code }) => code)).toEqual(faults.map(({ code }) => code))
    // Nine refusals cost no byte of the body.
    expect(seen.map(({ bodyCalls }) => bodyCalls)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3])
  })

  it('reads the body once, with the limit', async () => {
    const request = deliver()
    await receiverWith({ maxBodyBytes: 4321 }).receive(request)
    expect(request.body.mock.calls).toEqual([[{ maxBytes: 4321 }]])
  })

  it('runs no handler for a delivery that was refused', async () => {
    const handler = vi.fn()
    const receiver = receiverWith({ onEvent: { '*': handler }, onUnknownEvent: handler })
    await receiver.receive(deliver(undefined, { secret: otherSecret }))
    await receiver.receive(deliver('hello'))
    expect(handler).not.toHaveBeenCalled()
  })
})

describe('limits', () => {
  it.each([
    ['exactly as long as allowed', 0, 202],
    ['one byte longer', 1, 413],
  ])('a body %s', async (_given, excess, status) => {
    const request = deliver()
    const maxBodyBytes = Number(request.headers['content-length']) - excess
    expect((await receiverWith({ maxBodyBytes }).receive(request)).status).toBe(status)
  })

  it('a body that comes after the reply is not handled: the sender was told to come again', async () => {
    const late = deferred<Uint8Array>()
    const handler = vi.fn()
    const request = deliver()
    const bytes = await request.body({ maxBytes: 0 })
    const receiver = receiverWith({ replyTimeoutMs: 5, onEvent: { '*': handler } })
    const reply = await receiver.receive({ ...request, body: () => late.promise })
    expect(reply).toMatchObject({ status: 408, body: '{"error":"body_timeout"}' })
    late.resolve(bytes)
    await new Promise(setImmediate)
    expect(handler).not.toHaveBeenCalled()
    expect((await receiver.receive(deliver())).body).toBe('{"status":"accepted"}')
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('a body that is longer than it declared is counted', async () => {
    const request = deliver(undefined, { headers: { 'content-length': '5' } })
    expect((await receiverWith({ maxBodyBytes: 9 }).receive(request)).status).toBe(413)
  })

  it.each(['', 'identity', 'IDENTITY'])('the content-encoding %j is none', async (encoding) => {
    expect(
      (await receiverWith().receive(deliver(undefined, { headers: { 'content-encoding': encoding } }))).status,
    ).toBe(202)
  })

  it.each([
    ['no number', '1000 bytes', 202],
    ['a number in another spelling', '1e9', 413],
  ])('a content-length that is %s', async (_kind, length, status) => {
    const receiver = receiverWith({ maxBodyBytes: 999 })
    expect((await receiver.receive(deliver(undefined, { headers: { 'content-length': length } }))).status).toBe(status)
  })
})

describe('a reply before the body was read', () => {
  const refused = (headers: WebhookRequest['headers']) =>
    receiverWith().receive({ ...deliver(undefined, { method: 'GET' }), headers })

  it.each<[string, WebhookRequest['headers']]>([
    ['a length', { 'content-length': '1' }],
    ['a length in another case', { 'Content-Length': '1' }],
    ['chunks', { 'transfer-encoding': 'chunked' }],
    ['Headers', new Headers({ 'content-length': '1' })],
    ['a Map', new Map([['content-length', '1']])],
    ['a list of pairs', [['Transfer-Encoding', 'chunked']]],
    ['headers that cannot be read', new Proxy({}, { ownKeys: failing(new Error('no')) })],
    ['no headers at all', undefined as unknown as Headers],
  ])('closes the connection: %s', async (_given, headers) => {
    expect((await refused(headers)).headers).toMatchObject({ connection: 'close' })
  })

  it.each<[string, WebhookRequest['headers']]>([
    ['no length', {}],
    ['a length of 0', { 'content-length': '0' }],
    ['HTTP/2, which ends the stream instead', { ':method': 'POST', 'content-length': '1' }],
  ])('leaves the connection open: %s', async (_given, headers) => {
    expect((await refused(headers)).headers).not.toHaveProperty('connection')
  })

  it('leaves the connection open when the body was read', async () => {
    const reply = await receiverWith().receive(deliver('hello'))
    expect(reply.headers).not.toHaveProperty('connection')
  })
})

describe('receive', () => {
  it.each<[string, Partial<WebhookRequest>]>([
    ['no headers', { headers: undefined as unknown as Headers }],
    [
      'headers that throw',
      { headers: new Proxy({}, { get: failing(new Error('no')), ownKeys: failing(new Error('no')) }) },
    ],
    ['a body that is no function', { body: 'text' as unknown as WebhookRequest['body'] }],
    ['a body that throws nothing', { body: () => Promise.reject(undefined) }],
  ])('never rejects: %s', async (_given, parts) => {
    const reply = await receiverWith().receive({ ...deliver(), ...parts })
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(JSON.parse(reply.body)).toEqual({ error: expect.any(String) })
  })

  it('takes bytes that an adapter has already, without waiting for a promise', async () => {
    const request = deliver()
    const bytes = await request.body({ maxBytes: 9 })
    expect((await receiverWith().receive({ ...request, body: () => bytes })).status).toBe(202)
    const text = await receiverWith().receive({ ...request, body: () => 'text' as unknown as Uint8Array })
    expect([text.status, text.body]).toEqual([500, '{"error":"raw_body_unavailable"}'])
  })

  it('answers with a code and never with a message, whatever a handler throws', async () => {
    const thrown = Object.assign(new Error(`https://artifacts.example/?key=${secret}`), {
      status: 200,
      headers: { a: 'b' },
    })
    const reply = await receiverWith({ onEvent: { '*': failing(thrown) } }).receive(deliver())
    expect(reply).toEqual({ status: 500, headers: json, body: '{"error":"handler_failed"}' })
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'text'],
    ['a bigint', 7n],
    ['a symbol', Symbol('thrown')],
    ['a proxy that throws when it is looked at', new Proxy({}, { get: failing(new Error('no')) })],
  ])('answers handler_failed to whatever is thrown: %s', async (_given, thrown) => {
    const reply = await receiverWith({ onEvent: { '*': failing(thrown) } }).receive(deliver())
    expect(reply.body).toBe('{"error":"handler_failed"}')
  })

  it('answers handler_failed to an error of a newer copy of this library', async () => {
    const newer = Object.assign(new Error('new'), { library: 'scrapenest-webhooks', code: 'code_of_tomorrow' })
    const request = deliver(undefined, { body: failing(newer) } as object)
    expect(await receiverWith().receive(request)).toMatchObject({ status: 500, body: '{"error":"handler_failed"}' })
  })

  it('gives replies that the next delivery does not share', async () => {
    const receiver = receiverWith()
    const first = await receiver.receive(deliver())
    expect(Object.isFrozen(first) && Object.isFrozen(first.headers)).toBe(true)
  })
})

describe('the secret of each request', () => {
  it('is asked for with the request and its context, after the cheap checks', async () => {
    const resolve = vi.fn(async () => secret)
    const receiver = receiverWith({ secret: resolve })
    const request = deliver()
    await receiver.receive(deliver('x', { headers: { 'svix-id': 'a.b' } }))
    expect(resolve).not.toHaveBeenCalled()
    expect((await receiver.receive(request, 'context')).status).toBe(202)
    expect(resolve.mock.calls).toEqual([[request, 'context']])
  })

  it.each<[string, unknown, number, string]>([
    ['a text', secret, 202, '{"status":"accepted"}'],
    ['a list', [otherSecret, secret], 202, '{"status":"accepted"}'],
    ['a promise of a list', Promise.resolve([secret]), 202, '{"status":"accepted"}'],
    ['undefined', undefined, 400, '{"error":"secret_not_found"}'],
    ['null', null, 400, '{"error":"secret_not_found"}'],
    ['an empty text', '', 400, '{"error":"secret_not_found"}'],
    ['an empty list', [], 400, '{"error":"secret_not_found"}'],
    ['a malformed secret', 'not a secret', 500, '{"error":"configuration_invalid"}'],
    ['a number', 7, 500, '{"error":"configuration_invalid"}'],
    ['a list of nine', Array(9).fill(secret), 500, '{"error":"configuration_invalid"}'],
    ['another secret', otherSecret, 400, '{"error":"signature_mismatch"}'],
  ])('may be %s', async (_given, result, status, body) => {
    const reply = await receiverWith({ secret: () => result as string }).receive(deliver())
    expect(reply).toMatchObject({ status, body })
  })

  it.each([
    ['throws', failing(new Error('vault'))],
    ['rejects', async () => failing(new Error('vault'))()],
    ['does not answer', hang],
  ])('is unavailable when the function %s, and the body is not read', async (_given, resolve) => {
    const request = deliver()
    const receiver = receiverWith({ secret: resolve, replyTimeoutMs: 5 })
    expect(await receiver.receive(request)).toEqual({
      status: 503,
      headers: { ...json, ...later, ...closing },
      body: '{"error":"secret_unavailable"}',
    })
    expect(request.body).not.toHaveBeenCalled()
  })

  it('that comes after the reply is not used: the body is not read any more', async () => {
    const late = deferred<string>()
    const request = deliver()
    const receiver = receiverWith({ secret: () => late.promise, replyTimeoutMs: 5 })
    expect(await receiver.receive(request)).toMatchObject({ status: 503, body: '{"error":"secret_unavailable"}' })
    late.resolve(secret)
    await new Promise(setImmediate)
    expect(request.body).not.toHaveBeenCalled()
  })

  it('may fail after the reply without harm', async () => {
    const late = deferred<string>()
    const receiver = receiverWith({ secret: () => late.promise, replyTimeoutMs: 5 })
    expect((await receiver.receive(deliver())).status).toBe(503)
    late.reject(new Error('too late'))
    await late.promise.catch(() => {})
  })

  it('tells handlers which one matched', async () => {
    const indexes: number[] = []
    const receiver = receiverWith({
      secret: () => [otherSecret, secret],
      onEvent: { '*': (_event, { secretIndex }) => void indexes.push(secretIndex) },
    })
    await receiver.receive(deliver())
    expect(indexes).toEqual([1])
  })
})

it('acknowledges the probe of doctor and tells nobody of it: no handler, no hook for unknown events, no store', async () => {
  const told = vi.fn()
  const put = vi.fn(async () => 'stored' as const)
  const probe = deliver(eventOf('scrapenest-webhooks.probe'))
  const options = { secret, ...atStart, logger: recordingLogger(), onEvent: { '*': told }, onUnknownEvent: told }
  expect(await answer(createReceiver(options), probe)).toEqual({ status: 202, body: { status: 'accepted' } })
  const inbox = { put, start: async () => {}, close: async () => {} }
  expect(await answer(createReceiver({ ...options, inbox }), probe)).toEqual({
    status: 202,
    body: { status: 'accepted' },
  })
  expect(told).not.toHaveBeenCalled()
  expect(put).not.toHaveBeenCalled()
})
