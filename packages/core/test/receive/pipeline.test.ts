import { describe, expect, it, vi } from 'vitest'
import {
  type DuplicateStore,
  type InboxConnection,
  memoryDuplicates,
  PermanentError,
  RetryLaterError,
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
  failing,
  hang,
  otherSecret,
  secret,
  settle,
  startMs,
  startSeconds,
  type TestOptions,
  testReceiver,
} from '../deliveries.ts'

const json = { 'content-type': 'application/json; charset=utf-8' }

interface ReplyRow {
  readonly outcome: string
  readonly options?: TestOptions
  readonly request?: () => WebhookRequest
  /** Received before the delivery under test; their replies do not matter. */
  readonly before?: readonly (() => WebhookRequest)[]
  readonly status: WebhookReply['status']
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
    outcome: 'dropped by a handler',
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
  { outcome: 'not an event', request: () => deliver('hello'), status: 400, body: '{"error":"envelope_invalid"}' },
  { outcome: 'empty', request: () => deliver(''), status: 400, body: '{"error":"envelope_invalid"}' },
  {
    outcome: 'for which there is no secret',
    options: { secret: () => undefined },
    status: 400,
    body: '{"error":"signature_mismatch"}',
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
    outcome: 'not a POST',
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
    outcome: 'deferred by a handler',
    options: { onEvent: { '*': failing(new RetryLaterError('busy', { retryAfterSeconds: 77 })) } },
    status: 503,
    body: '{"error":"retry_later"}',
    headers: { 'retry-after': '77' },
  },
  {
    outcome: 'of an event that cannot be claimed',
    options: { duplicates: brokenStore },
    status: 503,
    body: '{"error":"store_unavailable"}',
    headers: later,
  },
  {
    outcome: 'of an event that cannot be stored',
    options: { inbox: inboxOf(async () => failing(new Error('full'))()) },
    status: 503,
    body: '{"error":"store_unavailable"}',
    headers: later,
  },
  {
    outcome: 'for which the secret is unavailable',
    options: { secret: failing(new Error('down')) },
    status: 503,
    body: '{"error":"secret_unavailable"}',
    headers: { ...later, ...closing },
  },
  {
    outcome: 'parsed before it got here',
    request: () => deliver(undefined, { body: failing(new WebhookError('raw_body_unavailable', 'fix')) } as object),
    status: 500,
    body: '{"error":"raw_body_unavailable"}',
    headers: closing,
  },
  {
    outcome: 'passed without bytes',
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
    outcome: 'from an unknown address',
    options: { allowedSources: ['192.0.2.0/24'] },
    request: () => deliver(undefined, { remoteAddress: undefined }),
    status: 403,
    body: '{"error":"source_not_allowed"}',
    headers: closing,
  },
  {
    outcome: 'a form that a parser consumed',
    request: () =>
      deliver(undefined, {
        body: failing(new WebhookError('raw_body_unavailable', 'fix')),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      } as object),
    status: 415,
    body: '{"error":"content_type_unsupported"}',
    headers: closing,
  },
]

describe('the reply to a delivery that is', () => {
  it.each(replies)(
    '$outcome: $status $body',
    async ({ options, request = deliver, before = [], status, body, headers }) => {
      const receiver = testReceiver(options)
      for (const earlier of before) await receiver.receive(earlier())
      const expected: WebhookReply = { status, headers: { ...json, ...headers }, body }
      expect(await receiver.receive(request())).toEqual(expected)
    },
  )

  it('closing: 503 receiver_closing', async () => {
    const receiver = testReceiver()
    await receiver.close()
    expect(await receiver.receive(deliver())).toEqual({
      status: 503,
      headers: { ...json, ...later, ...closing },
      body: '{"error":"receiver_closing"}',
    })
  })
})

describe('the order of the steps', () => {
  const signedWith = (key: string): string => deliver('hello', { secret: key }).headers['svix-signature'] ?? ''

  interface Situation {
    readonly method: string
    readonly remoteAddress: string
    readonly headers: Readonly<Record<string, string | undefined>>
    readonly secret: () => string | undefined
    readonly body: () => Uint8Array
  }

  /** Every fault at the same time. */
  const broken: Situation = {
    method: 'GET',
    remoteAddress: '203.0.113.1',
    headers: { 'content-encoding': 'br', 'content-length': '9999999', 'svix-timestamp': 'x', 'svix-signature': 'x' },
    secret: failing(new Error('vault')),
    body: failing(new Error('broken')),
  }

  /** The result of each step, and the fix after which the next step decides. */
  const steps: readonly (readonly [result: string, fix: Partial<Situation>])[] = [
    ['method_not_allowed', { method: 'POST' }],
    ['source_not_allowed', { remoteAddress: '192.0.2.7' }],
    ['content_encoding_unsupported', { headers: { 'content-encoding': undefined } }],
    ['body_too_large', { headers: { 'content-length': '100' } }],
    ['missing_header', { headers: { 'svix-id': 'a.b' } }],
    ['message_id_invalid', { headers: { 'svix-id': 'msg_1' } }],
    ['timestamp_invalid', { headers: { 'svix-timestamp': String(startSeconds - 301) } }],
    ['timestamp_outside_tolerance', { headers: { 'svix-timestamp': String(startSeconds) } }],
    ['no_supported_signature', { headers: { 'svix-signature': signedWith(otherSecret) } }],
    ['secret_unavailable', { secret: () => undefined }],
    ['body_aborted', { body: () => Buffer.from('hello') }],
    // The sender cannot tell this from the next one: both are answered `signature_mismatch`.
    ['secret_not_found', { secret: () => secret }],
    ['signature_mismatch', { headers: { 'svix-signature': signedWith(secret) } }],
    ['envelope_invalid', {}],
  ]

  it('is: method, source, encoding, length, headers, age, signature, secret, body, MAC, envelope', async () => {
    let situation = broken
    const results: unknown[] = []
    const bodyReads: number[] = []
    const receiver = testReceiver({
      secret: () => situation.secret(),
      allowedSources: ['192.0.2.0/24'],
      onDelivery: ({ result }) => void results.push(result),
    })
    for (const [, fix] of steps) {
      const body = vi.fn(situation.body)
      await receiver.receive({ ...situation, body })
      bodyReads.push(body.mock.calls.length)
      situation = { ...situation, ...fix, headers: { ...situation.headers, ...fix.headers } }
    }
    expect(results).toEqual(steps.map(([result]) => result))
    // Ten refusals read nothing of the body.
    expect(bodyReads).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
  })

  it('reads the body once, with the limit', async () => {
    const request = deliver()
    await testReceiver({ maxBodyBytes: 4321 }).receive(request)
    expect(request.body.mock.calls).toEqual([[{ maxBytes: 4321 }]])
  })

  it('runs no handler for a refused delivery', async () => {
    const handler = vi.fn()
    const receiver = testReceiver({ onEvent: { '*': handler }, onUnknownEvent: handler })
    await receiver.receive(deliver(undefined, { secret: otherSecret }))
    await receiver.receive(deliver('hello'))
    expect(handler).not.toHaveBeenCalled()
  })
})

describe('the body', () => {
  it.each([
    ['exactly as long as allowed', 0, 202],
    ['one byte longer', 1, 413],
  ])('may be at most maxBodyBytes long: %s', async (_given, excess, status) => {
    const request = deliver()
    const maxBodyBytes = Number(request.headers['content-length']) - excess
    expect((await testReceiver({ maxBodyBytes }).receive(request)).status).toBe(status)
  })

  it('is counted if it is longer than declared, and the error has the limit', async () => {
    const onDelivery = vi.fn()
    const request = deliver(undefined, { headers: { 'content-length': '5' } })
    expect((await testReceiver({ maxBodyBytes: 9, onDelivery }).receive(request)).status).toBe(413)
    expect(onDelivery.mock.calls[0]?.[0].error).toMatchObject({ code: 'body_too_large', maxBytes: 9 })
  })

  it('may be bytes, without a promise', async () => {
    const request = deliver()
    const bytes = await request.body({ maxBytes: 9 })
    expect((await testReceiver().receive({ ...request, body: () => bytes })).status).toBe(202)
  })

  it('must not be text, which a parser may have changed', async () => {
    const request = { ...deliver(), body: () => 'text' as unknown as Uint8Array }
    expect(await answer(testReceiver(), request)).toEqual({ status: 500, body: { error: 'raw_body_unavailable' } })
  })

  it.each<[string, string | undefined, number]>([
    ['JSON', 'application/json', 500],
    ['JSON with a charset', 'application/json; charset=utf-8', 500],
    ['a form', 'application/x-www-form-urlencoded', 415],
    ['a multipart form', 'multipart/form-data; boundary=x', 415],
    ['nothing', undefined, 415],
  ])(
    'that a parser consumed alarms the operator only where ScrapeNest could have sent it: %s',
    async (_given, type, status) => {
      const onError = vi.fn()
      const cause = new WebhookError('raw_body_unavailable', 'The fix.')
      const request = { ...deliver(undefined, { headers: { 'content-type': type } }), body: failing(cause) }
      const outcomes: unknown[] = []
      const receiver = testReceiver({ onError, onDelivery: ({ error }) => void outcomes.push(error) })
      expect((await receiver.receive(request)).status).toBe(status)
      expect(onError).toHaveBeenCalledTimes(status === 500 ? 1 : 0)
      expect(outcomes).toEqual([
        status === 500 ? cause : expect.objectContaining({ code: 'content_type_unsupported', cause }),
      ])
    },
  )

  it('that fails with an error of an unknown code counts as a broken connection', async () => {
    const newer = Object.assign(new Error('new'), { library: 'scrapenest-webhooks', code: 'code_of_tomorrow' })
    expect(await answer(testReceiver(), { ...deliver(), body: failing(newer) })).toEqual({
      status: 400,
      body: { error: 'body_aborted' },
    })
  })

  it('that arrives after the reply is not handled, because the sender was asked to retry', async () => {
    const late = deferred<Uint8Array>()
    const request = deliver()
    const bytes = await request.body({ maxBytes: 0 })
    const [claim, put, handler] = [vi.fn(memoryDuplicates().claim), vi.fn(async () => 'stored' as const), vi.fn()]
    const duplicates = { claim, complete() {}, release() {} }
    const receivers = [
      testReceiver({ replyTimeoutMs: 5, duplicates, onEvent: { '*': handler } }),
      testReceiver({ replyTimeoutMs: 5, inbox: inboxOf(put) }),
    ]
    for (const receiver of receivers) {
      expect(await answer(receiver, { ...request, body: () => late.promise })).toEqual({
        status: 408,
        body: { error: 'body_timeout' },
      })
    }
    late.resolve(bytes)
    await settle()
    expect([claim, put, handler].flatMap(({ mock }) => mock.calls)).toEqual([])
    for (const receiver of receivers) expect((await receiver.receive(deliver())).body).toBe('{"status":"accepted"}')
    expect([claim, put, handler].map(({ mock }) => mock.calls.length)).toEqual([1, 1, 1])
  })
})

describe('receive', () => {
  it.each<[string, Partial<WebhookRequest>]>([
    ['no headers', { headers: undefined as unknown as Headers }],
    [
      'headers that throw',
      { headers: new Proxy({}, { get: failing(new Error('no')), ownKeys: failing(new Error('no')) }) },
    ],
    ['a body that is not a function', { body: 'text' as unknown as WebhookRequest['body'] }],
    ['a body that rejects with undefined', { body: () => Promise.reject(undefined) }],
  ])('never rejects: %s', async (_given, parts) => {
    const reply = await testReceiver().receive({ ...deliver(), ...parts })
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(JSON.parse(reply.body)).toEqual({ error: expect.any(String) })
  })

  it('answers with a code and never with a message, whatever a handler throws', async () => {
    const thrown = Object.assign(new Error(`https://artifacts.example/?key=${secret}`), {
      status: 200,
      headers: { a: 'b' },
    })
    const reply = await testReceiver({ onEvent: { '*': failing(thrown) } }).receive(deliver())
    expect(reply).toEqual({ status: 500, headers: json, body: '{"error":"handler_failed"}' })
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'text'],
    ['a bigint', 7n],
    ['a symbol', Symbol('thrown')],
    ['a proxy that throws', new Proxy({}, { get: failing(new Error('no')) })],
    ['a hand-made retry_later', { library: 'scrapenest-webhooks', code: 'retry_later' }],
  ])('answers handler_failed to whatever a handler throws: %s', async (_given, thrown) => {
    const reply = await testReceiver({ onEvent: { '*': failing(thrown) } }).receive(deliver())
    expect(reply.body).toBe('{"error":"handler_failed"}')
  })
})

describe('the secret function', () => {
  it('gets the request and its context, after the cheap checks', async () => {
    const resolve = vi.fn(async () => secret)
    const receiver = testReceiver({ secret: resolve })
    const request = deliver()
    await receiver.receive(deliver('x', { headers: { 'svix-id': 'a.b' } }))
    expect(resolve).not.toHaveBeenCalled()
    expect((await receiver.receive(request, 'context')).status).toBe(202)
    expect(resolve.mock.calls).toEqual([[request, 'context']])
  })

  it.each<[string, string | string[] | null | undefined]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty string', ''],
    ['an empty list', []],
    ['a list of an empty string', ['']],
  ])('that finds none gets the same reply as a bad signature, after the body was read: %s', async (_given, found) => {
    const [stranger, tenant] = [deliver(), deliver(undefined, { secret: otherSecret })]
    const onDelivery = vi.fn()
    const unknown = testReceiver({ secret: () => found, onDelivery })
    expect(await unknown.receive(stranger)).toEqual(await testReceiver().receive(tenant))
    expect(stranger.body).toHaveBeenCalledTimes(1)
    expect(onDelivery.mock.calls[0]?.[0]).toMatchObject({ status: 400, result: 'secret_not_found' })
    expect(unknown.lines).toMatchObject([{ level: 'warn', fields: { code: 'secret_not_found' } }])
  })

  it.each<[string, Partial<WebhookRequest>, string]>([
    ['a lost body', { body: failing(new WebhookError('raw_body_unavailable')) }, 'raw_body_unavailable'],
    ['a broken connection', { body: failing(new Error('reset')) }, 'body_aborted'],
  ])('that finds none does not hide %s', async (_given, parts, error) => {
    const receiver = testReceiver({ secret: () => undefined })
    expect((await answer(receiver, { ...deliver(), ...parts })).body).toEqual({ error })
  })

  it.each([
    ['throws', failing(new Error('vault'))],
    ['throws a configuration error', failing(new WebhookError('configuration_invalid'))],
    ['rejects', async () => failing(new Error('vault'))()],
    ['does not answer', hang],
  ])('that %s makes the secret unavailable, and the body is not read', async (_given, resolve) => {
    const request = deliver()
    const receiver = testReceiver({ secret: resolve, replyTimeoutMs: 5 })
    expect(await receiver.receive(request)).toEqual({
      status: 503,
      headers: { ...json, ...later, ...closing },
      body: '{"error":"secret_unavailable"}',
    })
    expect(request.body).not.toHaveBeenCalled()
  })

  it('that settles after the reply has no effect: the body is not read', async () => {
    const late = deferred<string>()
    const request = deliver()
    const receiver = testReceiver({ secret: () => late.promise, replyTimeoutMs: 5 })
    expect((await answer(receiver, request)).body).toEqual({ error: 'secret_unavailable' })
    late.resolve(secret)
    await settle()
    expect(request.body).not.toHaveBeenCalled()
  })

  it('that fails after the reply is not reported again', async () => {
    const late = deferred<string>()
    const onError = vi.fn()
    const receiver = testReceiver({ secret: () => late.promise, replyTimeoutMs: 5, onError })
    expect((await receiver.receive(deliver())).status).toBe(503)
    late.reject(new Error('too late'))
    await settle()
    expect(onError).toHaveBeenCalledTimes(1)
  })

  it('decides the secretIndex that handlers see', async () => {
    const indexes: number[] = []
    const receiver = testReceiver({
      secret: () => [otherSecret, secret],
      onEvent: { '*': (_event, { secretIndex }) => void indexes.push(secretIndex) },
    })
    await receiver.receive(deliver())
    expect(indexes).toEqual([1])
  })
})

describe('the probe of doctor', () => {
  const probe = () => deliver(eventOf('scrapenest-webhooks.probe'))
  const memory = { claim: vi.fn(), complete: vi.fn(), release: vi.fn() }

  it('is accepted and reaches no handler, no hook for unknown events and no store', async () => {
    const called = vi.fn()
    const handling = { onEvent: { '*': called }, onUnknownEvent: called }
    const duplicates = { claim: called, complete: called, release: called }
    const inbox = { put: called, start: async () => {}, close: async () => {} }
    expect((await testReceiver({ ...handling, duplicates }).receive(probe())).body).toBe('{"status":"accepted"}')
    expect((await testReceiver({ ...handling, inbox }).receive(probe())).body).toBe('{"status":"accepted"}')
    expect(called).not.toHaveBeenCalled()
  })

  it.each<[string, (check: () => Promise<void>) => TestOptions]>([
    ['inbox', (check) => ({ inbox: { ...inboxOf(hang), check } })],
    ['duplicate store', (check) => ({ duplicates: { ...memory, check } })],
  ])('is answered once the %s has been checked', async (_store, optionsWith) => {
    const checking = deferred()
    const check = vi.fn(() => checking.promise)
    const reply = answer(testReceiver(optionsWith(check)), probe())
    await settle()
    expect(check).toHaveBeenCalledTimes(1)
    checking.resolve()
    expect(await reply).toEqual({ status: 202, body: { status: 'accepted' } })
  })

  it.each<[string, () => Promise<void>]>([
    ['rejects', () => Promise.reject(new Error('locked'))],
    ['throws', failing(new Error('locked'))],
    ['rejects with its own code', () => Promise.reject(new WebhookError('configuration_invalid'))],
  ])('is answered 503 when the check %s, and the operator is informed', async (_given, check) => {
    for (const options of [{ inbox: { ...inboxOf(hang), check } }, { duplicates: { ...memory, check } }]) {
      const onError = vi.fn()
      expect(await answer(testReceiver({ ...options, onError }), probe())).toEqual({
        status: 503,
        body: { error: 'store_unavailable' },
      })
      expect(onError).toHaveBeenCalledExactlyOnceWith(
        expect.objectContaining({ code: 'store_unavailable', cause: expect.any(Error) }),
        expect.objectContaining({ eventType: 'scrapenest-webhooks.probe' }),
      )
    }
  })

  it('is answered 503 when the check does not end in time', async () => {
    const receiver = testReceiver({ duplicates: { ...memory, check: hang }, replyTimeoutMs: 5 })
    expect((await answer(receiver, probe())).body).toEqual({ error: 'store_unavailable' })
  })

  it('does not check the duplicate store if an inbox replaces it', async () => {
    const check = vi.fn(() => Promise.reject(new Error('unused')))
    const receiver = testReceiver({ inbox: inboxOf(hang), duplicates: { ...memory, check } })
    expect((await answer(receiver, probe())).status).toBe(202)
    expect(check).not.toHaveBeenCalled()
  })

  it('is the only event for which the inbox is checked', async () => {
    const check = vi.fn()
    await testReceiver({ inbox: { ...inboxOf(async () => 'stored'), check } }).receive(deliver())
    expect(check).not.toHaveBeenCalled()
  })
})

describe('a custom clock', () => {
  it.each<[string, () => number]>([
    [
      'throws',
      () => {
        throw new Error('no clock')
      },
    ],
    ['returns NaN', () => Number.NaN],
    ['returns a BigInt', () => 1n as unknown as number],
    ['returns text', () => '1700000000000' as unknown as number],
  ])('that %s is a wrong configuration, not a stale delivery', async (_what, broken) => {
    const onError = vi.fn()
    let now = atStart.now
    const receiver = testReceiver({ now: () => now(), onError })
    now = broken
    const reply = await answer(receiver)
    expect(reply).toEqual({ status: 500, body: { error: 'configuration_invalid' } })
    expect(onError).toHaveBeenCalledExactlyOnceWith(expect.anything(), { code: 'configuration_invalid' })
  })
})
