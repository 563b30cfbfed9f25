import { describe, expect, it, vi } from 'vitest'
import { type FetchOptions, scrapenestWebhooks } from '../src/fetch.ts'
import { createReceiver, type ReceiverOptions, type ScrapeNestEvents } from '../src/index.ts'
import { atStart, deliver, eventOf, recordingLogger, secret } from './deliveries.ts'

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

function handlerWith(options: FetchOptions & Partial<ReceiverOptions<ScrapeNestEvents, Request>> = {}) {
  return scrapenestWebhooks({ secret, logger: recordingLogger(), ...atStart, ...options })
}

async function shown(response: Response) {
  return { status: response.status, body: await response.json() }
}

describe('scrapenestWebhooks for fetch', () => {
  it('answers a signed request, and gives the Request as context', async () => {
    const onEvent = { 'job.created': vi.fn() }
    const request = await signedRequest()
    const response = await handlerWith({ onEvent })(request)
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(await shown(response)).toEqual({ status: 202, body: { status: 'accepted' } })
    expect(onEvent['job.created']).toHaveBeenCalledExactlyOnceWith(
      eventOf('job.created'),
      expect.objectContaining({ context: request }),
    )
  })

  it('answers every path without path, and only its own with it', async () => {
    expect((await handlerWith()(await signedRequest(undefined, 'https://shop.example/any'))).status).toBe(202)
    const own = handlerWith({ path: '/webhooks/scrapenest' })
    expect((await own(await signedRequest(undefined, `${url}?x=1`))).status).toBe(202)
    expect(await shown(await own(await signedRequest(undefined, `${url}/`)))).toEqual({
      status: 404,
      body: { error: 'not_found' },
    })
  })

  it('reads a body that comes in chunks, split inside a character', async () => {
    const { headers, body } = deliver(eventOf('job.created', { name: 'Zürich 🔑' }))
    const bytes = await body({ maxBytes: 0 })
    const stream = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    expect((await handlerWith()(requestOf({ headers, body: stream }))).status).toBe(202)
  })

  it('stops reading at the limit and cancels the stream', async () => {
    const cancel = vi.fn()
    const stream = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1000)), cancel })
    const { headers } = deliver(undefined, { headers: { 'content-length': undefined } })
    const response = await handlerWith({ maxBodyBytes: 1500 })(requestOf({ headers, body: stream }))
    expect(await shown(response)).toEqual({ status: 413, body: { error: 'body_too_large' } })
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it('takes a request without a body for an empty one', async () => {
    const { headers } = deliver('')
    const response = await handlerWith()(new Request(url, { method: 'POST', headers }))
    expect(await shown(response)).toEqual({ status: 400, body: { error: 'envelope_invalid' } })
  })

  it.each<[string, (request: Request) => unknown]>([
    ['was read', (request) => request.json()],
    ['is being read', (request) => request.body?.getReader()],
  ])('says raw_body_unavailable when the body %s by somebody else', async (_given, read) => {
    const onError = vi.fn()
    const request = await signedRequest()
    await read(request)
    expect(await shown(await handlerWith({ onError })(request))).toEqual({
      status: 500,
      body: { error: 'raw_body_unavailable' },
    })
    expect(onError.mock.calls[0]?.[0].message).toContain('request.json()')
  })

  it('says body_aborted when the stream breaks', async () => {
    const stream = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    const response = await handlerWith()(requestOf({ headers: deliver().headers, body: stream }))
    expect(await shown(response)).toEqual({ status: 400, body: { error: 'body_aborted' } })
  })

  it('closes the connection when the body was not read', async () => {
    const request = await signedRequest()
    request.headers.delete('svix-id')
    expect((await handlerWith()(request)).headers.get('connection')).toBe('close')
  })

  it('refuses allowedSources without remoteAddress, and uses both together', async () => {
    expect(() => handlerWith({ allowedSources: ['192.0.2.0/24'] })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid', message: expect.stringContaining('remoteAddress') }),
    )
    const at = (address: string) => handlerWith({ allowedSources: ['192.0.2.0/24'], remoteAddress: () => address })
    expect((await at('192.0.2.7')(await signedRequest())).status).toBe(202)
    expect((await at('203.0.113.7')(await signedRequest())).status).toBe(403)
  })

  it('carries the receiver, to which handlers can be added until the first delivery', async () => {
    const handler = vi.fn()
    const webhooks = handlerWith()
    webhooks.receiver.onEvent('job.*', handler)
    await webhooks(await signedRequest())
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('takes a ready receiver instead of options', async () => {
    const receiver = createReceiver({ secret, ...atStart, allowedSources: ['192.0.2.0/24'], logger: recordingLogger() })
    const webhooks = scrapenestWebhooks({ receiver, remoteAddress: () => '192.0.2.7' })
    expect(webhooks.receiver).toBe(receiver)
    expect((await webhooks(await signedRequest())).status).toBe(202)
  })
})
