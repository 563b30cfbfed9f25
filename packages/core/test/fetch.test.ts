import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { type FetchOptions, scrapenestWebhooks } from '../src/fetch.ts'
import { createReceiver, type InboxConnection, type ReceiverOptions, type ScrapeNestEvents } from '../src/index.ts'
import { atStart, deliver, eventOf, failing, recordingLogger, refusal, secret, settle } from './deliveries.ts'

const url = 'https://shop.example/webhooks/scrapenest'

function requestOf(
  { headers, body }: { headers: Record<string, string>; body: Buffer | ReadableStream },
  at = url,
): Request {
  return new Request(at, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
}

async function signedRequest(payload: object | string = eventOf('job.created'), at = url): Promise<Request> {
  const { headers, body } = deliver(payload)
  return requestOf({ headers, body: Buffer.from(await body({ maxBytes: 0 })) }, at)
}

function handlerWith(options: FetchOptions & Partial<ReceiverOptions<ScrapeNestEvents>> = {}) {
  return scrapenestWebhooks({ secret, logger: recordingLogger(), ...atStart, ...options })
}

function inboxWith(start: InboxConnection['start'] = async () => {}) {
  return { put: vi.fn(async () => 'stored' as const), start: vi.fn(start), close: vi.fn(async () => {}) }
}

async function shown(response: Response) {
  return { status: response.status, body: await response.json() }
}

const accepted = { status: 202, body: { status: 'accepted' } }

describe('scrapenestWebhooks for fetch', () => {
  it('answers a signed request', async () => {
    const response = await handlerWith()(await signedRequest())
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(await shown(response)).toEqual(accepted)
  })

  it.each<[string, object | undefined, string]>([
    ["Node's request", new IncomingMessage(new Socket()), "such as '@scrapenest-webhooks/express'"],
    ["Hono's context", { req: { raw: new Request(url) } }, 'In Hono, pass c.req.raw.'],
    ['nothing', undefined, 'Expected a Request.'],
  ])('throws at once when it gets %s in place of a Request, and names the fix', (_given, request, saying) => {
    const handle = handlerWith({ path: '/webhooks/scrapenest' })
    expect(() => handle(request as Request)).toThrow(refusal('configuration_invalid', saying))
  })

  it('passes the context of the host to handlers, otherwise the Request', async () => {
    const contexts: unknown[] = []
    const handle = handlerWith({ onEvent: { '*': (_event, { context }) => void contexts.push(context) } })
    const honoContext = { req: {} }
    const request = await signedRequest(eventOf('job.created', {}, 'event_2'))
    await handle(await signedRequest(), honoContext)
    await handle(request)
    expect(contexts).toEqual([honoContext, request])
    expect(contexts[0]).toBe(honoContext)
    expect(contexts[1]).toBe(request)
  })

  it('passes the context to the secret function too', async () => {
    const contexts: unknown[] = []
    const handle = handlerWith({
      secret: (_request, context) => {
        contexts.push(context)
        return secret
      },
    })
    await handle(await signedRequest(), 'tenant')
    expect(contexts).toEqual(['tenant'])
  })

  it('answers on every path by default, and on one path with the option path', async () => {
    expect((await handlerWith()(await signedRequest(undefined, 'https://shop.example/any'))).status).toBe(202)
    const exact = handlerWith({ path: '/webhooks/scrapenest' })
    expect((await exact(await signedRequest(undefined, `${url}?x=1`))).status).toBe(202)
    const elsewhere = await exact(await signedRequest(undefined, `${url}/`))
    expect(elsewhere.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(await shown(elsewhere)).toEqual({ status: 404, body: { error: 'not_found' } })
  })

  it.each(['', 'webhooks', '/a?b', '/a b', 7, null])('rejects the path %o', (path) => {
    expect(() => handlerWith({ path: path as string })).toThrow(
      refusal('configuration_invalid', 'Expected path to be an absolute path'),
    )
  })

  it('reads a body in one-byte chunks, split inside a character', async () => {
    const { headers, body } = deliver(eventOf('job.created', { name: 'Zürich 🔑' }))
    const bytes = await body({ maxBytes: 0 })
    const stream = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    expect(await shown(await handlerWith()(requestOf({ headers, body: stream })))).toEqual(accepted)
  })

  it('stops reading at the limit and cancels the stream', async () => {
    const cancel = vi.fn()
    const stream = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1000)), cancel })
    const { headers } = deliver(undefined, { headers: { 'content-length': undefined } })
    const response = await handlerWith({ maxBodyBytes: 1500 })(requestOf({ headers, body: stream }))
    expect(await shown(response)).toEqual({ status: 413, body: { error: 'body_too_large' } })
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it('treats a request without a body as having an empty one', async () => {
    const { headers } = deliver('')
    const response = await handlerWith()(new Request(url, { method: 'POST', headers }))
    expect(await shown(response)).toEqual({ status: 400, body: { error: 'envelope_invalid' } })
  })

  it.each<[string, (request: Request) => unknown]>([
    ['was read', (request) => request.json()],
    ['is being read', (request) => request.body?.getReader()],
  ])('answers raw_body_unavailable when the body %s by other code', async (_given, read) => {
    const onError = vi.fn()
    const request = await signedRequest()
    await read(request)
    expect(await shown(await handlerWith({ onError })(request))).toEqual({
      status: 500,
      body: { error: 'raw_body_unavailable' },
    })
    expect(onError.mock.calls[0]?.[0].message).toContain('request.json()')
  })

  it('answers body_aborted when the stream breaks', async () => {
    const stream = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    const response = await handlerWith()(requestOf({ headers: deliver().headers, body: stream }))
    expect(await shown(response)).toEqual({ status: 400, body: { error: 'body_aborted' } })
  })

  it('closes the connection when the body was not read', async () => {
    const request = await signedRequest()
    request.headers.delete('svix-id')
    expect((await handlerWith()(request)).headers.get('connection')).toBe('close')
  })

  it('has a receiver property, to which handlers can be added', async () => {
    const handler = vi.fn()
    const webhooks = handlerWith()
    webhooks.receiver.onEvent('job.*', handler)
    await webhooks(await signedRequest())
    expect(handler).toHaveBeenCalledTimes(1)
  })
})

describe('allowedSources on fetch', () => {
  const allowedSources = ['192.0.2.0/24']
  const refused = { status: 403, body: { error: 'source_not_allowed' } }

  it('needs remoteAddress', () => {
    expect(() => handlerWith({ allowedSources })).toThrow(refusal('configuration_invalid', 'remoteAddress'))
  })

  it('is compared with what remoteAddress returns for the request', async () => {
    const remoteAddress = (request: Request) => request.headers.get('x-forwarded-for') ?? undefined
    const handle = handlerWith({ allowedSources, remoteAddress })
    const from = async (address: string) => {
      const request = await signedRequest()
      request.headers.set('x-forwarded-for', address)
      return shown(await handle(request))
    }
    expect(await from('192.0.2.7')).toEqual(accepted)
    expect(await from('203.0.113.7')).toEqual(refused)
  })

  it("may use an address from the host's context", async () => {
    const remoteAddress = (_request: Request, context: unknown) => (context as { readonly ip: string }).ip
    const handle = handlerWith({ allowedSources, remoteAddress })
    expect(await shown(await handle(await signedRequest(), { ip: '192.0.2.7' }))).toEqual(accepted)
    expect(await shown(await handle(await signedRequest(), { ip: '203.0.113.7' }))).toEqual(refused)
  })

  it.each<[string, () => string | undefined]>([
    ['returns nothing', () => undefined],
    ['returns an empty string', () => ''],
    ['throws', failing(new Error('no proxy header'))],
  ])('refuses every request with one warning when remoteAddress %s', async (_given, remoteAddress) => {
    const [onError, logger] = [vi.fn(), recordingLogger()]
    const handle = handlerWith({ allowedSources, remoteAddress, onError, logger })
    for (let count = 0; count < 3; count += 1) expect(await shown(await handle(await signedRequest()))).toEqual(refused)
    expect(onError).not.toHaveBeenCalled()
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { code: 'source_not_allowed' } }])
  })

  it('does no harm if it is unset and remoteAddress throws', async () => {
    const remoteAddress = failing(new Error('no proxy header'))
    expect(await shown(await handlerWith({ remoteAddress })(await signedRequest()))).toEqual(accepted)
  })
})

describe('starting on fetch', () => {
  const onEvent = { 'job.created': () => {} }

  it('opens nothing before the first request, so that bundlers can import the route', async () => {
    const inbox = inboxWith()
    const handle = handlerWith({ inbox, onEvent })
    await settle()
    expect(inbox.start).not.toHaveBeenCalled()
    expect(await shown(await handle(await signedRequest()))).toEqual(accepted)
    await handle(await signedRequest())
    expect(inbox.start).toHaveBeenCalledTimes(1)
  })

  it('is not triggered by a request for another path', async () => {
    const inbox = inboxWith()
    await handlerWith({ inbox, onEvent, path: '/hooks' })(await signedRequest())
    expect(inbox.start).not.toHaveBeenCalled()
  })

  it('can be done before the first request with receiver.start()', async () => {
    const inbox = inboxWith()
    const handle = handlerWith({ inbox, onEvent })
    await handle.receiver.start()
    await handle(await signedRequest())
    expect(inbox.start).toHaveBeenCalledTimes(1)
  })

  it('is reported when it fails, and the request gets its own reply', async () => {
    const onError = vi.fn()
    const inbox = inboxWith(() => Promise.reject(new Error('locked')))
    expect(await shown(await handlerWith({ inbox, onError })(await signedRequest()))).toEqual(accepted)
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'store_unavailable', cause: new Error('locked') }),
      expect.anything(),
    )
  })
})

describe('the secret on fetch', () => {
  it.each([undefined, '', [], ['']])(
    'may be unset while the route is imported, and is reported by the first request: %o',
    async (unset) => {
      const onError = vi.fn()
      const handle = handlerWith({ secret: unset, onError })
      expect(onError).not.toHaveBeenCalled()
      expect(await shown(await handle(await signedRequest()))).toEqual({
        status: 500,
        body: { error: 'configuration_invalid' },
      })
      expect(onError).toHaveBeenCalledExactlyOnceWith(
        refusal('configuration_invalid', 'No signing secret.'),
        expect.anything(),
      )
    },
  )

  it('is also reported by start() while it is unset', async () => {
    await expect(handlerWith({ secret: undefined }).receiver.start()).rejects.toEqual(
      refusal('configuration_invalid', 'No signing secret.'),
    )
  })

  it('does not open the inbox while it is unset', async () => {
    const inbox = inboxWith()
    await handlerWith({ secret: undefined, inbox })(await signedRequest())
    expect(inbox.start).not.toHaveBeenCalled()
    expect(inbox.put).not.toHaveBeenCalled()
  })

  it.each(['whsec_', `${secret}\n`, [secret, ''], [secret, undefined], 7])(
    'is rejected at once when it is malformed: %o',
    (malformed) => {
      expect(() => handlerWith({ secret: malformed as string })).toThrow(refusal('configuration_invalid'))
    },
  )
})

describe('a ready receiver on fetch', () => {
  it('is used unchanged, and neither started nor closed', async () => {
    const inbox = inboxWith()
    const receiver = createReceiver({ secret, ...atStart, inbox, logger: recordingLogger() })
    const webhooks = scrapenestWebhooks({ receiver, path: '/webhooks/scrapenest' })
    expect(webhooks.receiver).toBe(receiver)
    expect(await shown(await webhooks(await signedRequest()))).toEqual(accepted)
    expect(inbox.start).not.toHaveBeenCalled()
  })

  it('may have allowedSources, which use remoteAddress', async () => {
    const options = { secret, ...atStart, logger: recordingLogger(), allowedSources: ['192.0.2.0/24'] }
    const webhooks = scrapenestWebhooks({ receiver: createReceiver(options), remoteAddress: () => '192.0.2.7' })
    expect(await shown(await webhooks(await signedRequest()))).toEqual(accepted)
  })

  it('cannot be combined with the options of a receiver', () => {
    const receiver = createReceiver({ secret, logger: recordingLogger() })
    expect(() => scrapenestWebhooks({ receiver, secret } as object as { receiver: typeof receiver })).toThrow(
      refusal('configuration_invalid', 'Unknown option "secret"'),
    )
  })
})
