import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '@scrapenest-webhooks/core'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import express, { type ErrorRequestHandler } from 'express'
import express4 from 'express4'
import { afterEach, describe, expect, it } from 'vitest'
import { captureRawBody, type ExpressRequest, scrapenestWebhooks } from '../src/index.ts'

const secret = generateSecret()
const path = '/webhooks/scrapenest'
const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function serve(app: unknown): Promise<string> {
  const server = createServer(app as RequestListener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signed = () => signDelivery(createEvent('artifact.ready'), { secret })

/** A delivery with well-formed headers, a made-up signature and a content type that the sender chose. */
function forged(contentType: string): ReturnType<typeof signed> {
  const { method, headers, body } = signDelivery(createEvent('job.created'), { secret: generateSecret() })
  return { method, headers: { ...headers, 'content-type': contentType }, body }
}

/** The codes and messages that a logger gets, by level. */
function recordingLogger(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = []
  return {
    lines,
    logger: {
      warn: ({ code }: { code?: string }, message) => lines.push(`warn ${code}: ${message}`),
      error: ({ code }: { code?: string }, message) => lines.push(`error ${code}: ${message}`),
    },
  }
}

describe.each([
  ['express 5', express],
  ['express 4', express4 as unknown as typeof express],
])('the %s middleware', (_name, framework) => {
  type App = ReturnType<typeof express>

  it('says how to mount it if it is mounted without a call, or called with the application', async () => {
    const app = framework()
    const errors: unknown[] = []
    app.use(scrapenestWebhooks as never)
    app.use(((error, _request, response, _next) => {
      errors.push(error)
      response.sendStatus(500)
    }) satisfies ErrorRequestHandler)
    expect((await deliver((await serve(app)) + path, signed())).status).toBe(500)
    expect(errors.map(String)).toEqual([expect.stringContaining('and mount what it returns')])
    expect(() => scrapenestWebhooks(app as never)).toThrow('and mount what it returns')
  })

  it('finds the path of a request of another framework that runs Express middleware', async () => {
    const webhooks = scrapenestWebhooks({ path, secret })
    const url = await serve((request: ExpressRequest, response: ServerResponse) => webhooks(request, response))
    expect(await deliver(url + path, signed())).toMatchObject({ status: 202 })
    expect(await deliver(`${url}/other`, signed())).toMatchObject({ status: 404 })
  })

  it("ignores a request's logger that discards everything, such as Fastify's disabled logger", async () => {
    const { lines, logger } = recordingLogger()
    const silent = (): void => {}
    const app = framework()
    app.use((request, _response, next) => {
      Object.assign(request, { log: { warn: silent, error: silent } })
      next()
    })
    app.use(scrapenestWebhooks({ path, secret, logger }))
    await deliver((await serve(app)) + path, forged('application/json'))
    expect(lines).toEqual([expect.stringContaining('warn signature_mismatch')])
  })

  it('passes a typed event to its handler on a separate route', async () => {
    const app = framework()
    const seen: string[] = []
    app.post(
      path,
      scrapenestWebhooks({
        secret,
        onEvent: { 'artifact.ready': (event, delivery) => seen.push(event.event_type, delivery.context?.path ?? '') },
      }),
    )
    const { status, reply } = await deliver((await serve(app)) + path, signed())
    expect([status, reply]).toEqual([202, { status: 'accepted' }])
    expect(seen).toEqual(['artifact.ready', path])
  })

  it('answers on a prefix, in a nested router, and at a path relative to them', async () => {
    const app = framework()
    const inner = framework.Router()
    inner.use('/scrapenest', scrapenestWebhooks({ secret, name: 'nested' }))
    app.use('/webhooks', inner)
    app.use('/hooks', scrapenestWebhooks({ path: '/scrapenest', secret, name: 'relative' }))
    const origin = await serve(app)
    expect((await deliver(`${origin}/webhooks/scrapenest`, signed())).status).toBe(202)
    expect((await deliver(`${origin}/hooks/scrapenest`, signed())).status).toBe(202)
    expect((await deliver(`${origin}/hooks/scrapenest/`, signed())).status).toBe(404)
    expect((await deliver(`${origin}/hooks/other`, signed())).status).toBe(404)
  })

  it('replies with 500 to every request if it runs for all of them without a path, and reports it once', async () => {
    const { lines, logger } = recordingLogger()
    const alarms: unknown[] = []
    const warnings: unknown[] = []
    const warned = (warning: unknown): void => void warnings.push(warning)
    process.on('warning', warned)
    const app = framework()
    app.use(scrapenestWebhooks({ secret, logger, onError: (error) => void alarms.push(error) }))
    const origin = await serve(app)
    for (let sent = 0; sent < 20; sent += 1) {
      const { status, reply } = await deliver(`${origin}/favicon.ico`, signed())
      expect([status, reply]).toEqual([500, { error: 'configuration_invalid' }])
    }
    process.off('warning', warned)
    expect(lines).toEqual([expect.stringMatching(/^error configuration_invalid: .*Set its path/)])
    expect(alarms).toMatchObject([{ code: 'configuration_invalid' }])
    expect(warnings).toEqual([])
  })

  it.each<[string, (app: App, path: string, webhooks: ReturnType<typeof scrapenestWebhooks>) => unknown]>([
    ['app.use', (app, mount, webhooks) => app.use(mount, webhooks)],
    ['app.use of a router', (app, mount, webhooks) => app.use(mount, framework.Router().use(webhooks))],
  ])('warns once when the path is given to %s and to the middleware, and passes the request on', async (_to, mount) => {
    const { lines, logger } = recordingLogger()
    const app = framework()
    const webhooks = scrapenestWebhooks({ path, secret, logger })
    mount(app, path, webhooks)
    const origin = await serve(app)
    for (let sent = 0; sent < 3; sent += 1) expect((await deliver(origin + path, signed())).status).toBe(404)
    expect(lines).toEqual([expect.stringContaining(`A request for ${path} was not handled`)])
    expect((await deliver(`${origin}/elsewhere`, signed())).status).toBe(404)
    expect((await deliver(origin + path + path, signed())).status).toBe(202)
    expect(lines).toHaveLength(1)
  })

  it('answers a route whose path equals its own', async () => {
    const app = framework()
    app.post(path, scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).status).toBe(202)
  })

  it.each<[string, (app: App) => unknown]>([
    ['express.raw', (app) => app.use(framework.raw({ type: () => true }))],
    ['express.text', (app) => app.use(framework.text({ type: () => true }))],
    ['express.json with captureRawBody', (app) => app.use(framework.json({ verify: captureRawBody }))],
  ])('uses the bytes that %s has kept', async (_parser, register) => {
    const app = framework()
    register(app)
    app.use(scrapenestWebhooks({ path, secret }))
    const delivery = signDelivery('{ "event_type":"job.created", "data":{"n":1.0,"s":"\\u00e9 é🔑"} }', { secret })
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ status: 'accepted' })
  })

  // A text parser drops the byte order mark, and decodes in the charset that the sender names.
  it.each<[string, string, string]>([
    ['without the byte order mark it had', '\ufeff{"event_type":"job.created"}', 'application/json'],
    ['in another charset', '{"event_type":"job.created","org_slug":"zürich"}', 'application/json; charset=latin1'],
  ])('answers 500, not a bad signature, if the kept text is not the body: %s', async (_how, payload, contentType) => {
    const { lines, logger } = recordingLogger()
    const app = framework()
    app.use(framework.text({ type: () => true }))
    app.use(scrapenestWebhooks({ path, secret, logger }))
    const { method, headers, body } = signDelivery(payload, { secret })
    const delivery = { method, headers: { ...headers, 'content-type': contentType }, body }
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ error: 'raw_body_unavailable' })
    expect(lines).toEqual([expect.stringContaining('error raw_body_unavailable: ')])
  })

  it('accepts a byte order mark if the bytes are kept', async () => {
    const app = framework()
    app.use(framework.json({ verify: captureRawBody }))
    app.use(scrapenestWebhooks({ path, secret }))
    const delivery = signDelivery('\ufeff{"event_type":"job.created"}', { secret })
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ status: 'accepted' })
  })

  it('names the parser and the fix in the log when express.json has read the body', async () => {
    const { lines, logger } = recordingLogger()
    const app = framework()
    app.use((request, _response, next) => {
      Object.assign(request, { log: logger })
      next()
    })
    app.use(framework.json())
    app.use(scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).reply).toEqual({ error: 'raw_body_unavailable' })
    expect(lines).toEqual([expect.stringContaining('express.json({ verify: captureRawBody })')])
  })

  it('replies with 415 to a form that a neighboring parser has read, without calling onError', async () => {
    const { lines, logger } = recordingLogger()
    const alarms: unknown[] = []
    const app = framework()
    app.use(framework.json({ verify: captureRawBody }))
    app.use(framework.urlencoded({ extended: false }))
    app.use(scrapenestWebhooks({ path, secret, logger, onError: (error) => void alarms.push(error) }))
    const url = (await serve(app)) + path
    for (let sent = 0; sent < 3; sent += 1) {
      const { status, reply } = await deliver(url, forged('application/x-www-form-urlencoded'))
      expect([status, reply]).toEqual([415, { error: 'content_type_unsupported' }])
    }
    expect((await deliver(url, signed())).status).toBe(202)
    expect(lines).toEqual([expect.stringContaining('warn content_type_unsupported: ')])
    expect(alarms).toEqual([])
  })

  it('reads the request if request.body is a getter that throws', async () => {
    const app = framework()
    app.use((request, _response, next) => {
      Object.defineProperty(request, 'body', {
        get(): never {
          throw new Error('not parsed yet')
        },
      })
      next()
    })
    app.use(scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).reply).toEqual({ status: 'accepted' })
  })

  it("uses the client address that 'trust proxy' finds", async () => {
    const app = framework()
    app.set('trust proxy', true)
    app.use(scrapenestWebhooks({ path, secret, allowedSources: ['192.0.2.0/24'], logger: recordingLogger().logger }))
    const url = (await serve(app)) + path
    const from = (address: string) => {
      const delivery = signed()
      return deliver(url, { ...delivery, headers: { ...delivery.headers, 'x-forwarded-for': address } })
    }
    expect((await from('192.0.2.7')).status).toBe(202)
    expect((await from('198.51.100.1')).reply).toEqual({ error: 'source_not_allowed' })
  })

  it('carries its receiver, to add handlers and to close', async () => {
    const app = framework()
    const webhooks = scrapenestWebhooks({ path, secret })
    const seen: string[] = []
    app.use(webhooks)
    webhooks.receiver.onEvent(['artifact.ready', 'job.*'], (event) => seen.push(event.event_type))
    const url = (await serve(app)) + path
    expect((await deliver(url, signed())).status).toBe(202)
    await webhooks.receiver.close()
    expect((await deliver(url, signed())).reply).toEqual({ error: 'receiver_closing' })
    expect(seen).toEqual(['artifact.ready'])
  })

  it('returns a promise that settles when the reply is written', async () => {
    const webhooks = scrapenestWebhooks({ path, secret })
    const settled: boolean[] = []
    const app = framework()
    app.use(async (request, response, next) => {
      await webhooks(request, response, next)
      settled.push(response.writableEnded)
    })
    expect((await deliver((await serve(app)) + path, signed())).status).toBe(202)
    expect(settled).toEqual([true])
  })

  it('closes the connection when the reply cannot be written, and reports it', async () => {
    const { lines, logger } = recordingLogger()
    const failed: unknown[] = []
    const app = framework()
    app.use((_request, response, next) => {
      response.end = (): never => {
        throw new Error('the session store is down')
      }
      next()
    })
    app.use(scrapenestWebhooks({ path, secret, logger }))
    app.use((error: unknown, _request: unknown, _response: unknown, next: (error: unknown) => void) => {
      failed.push(error)
      next(error)
    })
    await expect(deliver((await serve(app)) + path, signed())).rejects.toThrow('fetch failed')
    expect(lines).toEqual([expect.stringContaining('error configuration_invalid: ')])
    expect(failed).toEqual([])
  })

  // Google Cloud Functions and Firebase pass their own Express request to a function of two parameters.
  it('works as the function of a framework that passes no `next` and has read the body', async () => {
    const functionOf = (webhooks: (request: ExpressRequest, response: ServerResponse) => unknown): App => {
      const app = framework()
      app.use(framework.json({ verify: captureRawBody }))
      app.use(framework.urlencoded({ extended: true, verify: captureRawBody }))
      app.use(
        (request: IncomingMessage, response: ServerResponse) => void webhooks(request as ExpressRequest, response),
      )
      return app
    }
    const bare = await serve(functionOf(scrapenestWebhooks({ secret, logger: recordingLogger().logger })))
    expect((await deliver(`${bare}/`, signed())).status).toBe(202)
    expect((await deliver(`${bare}/`, forged('application/json'))).status).toBe(400)
    expect((await deliver(`${bare}/`, forged('application/x-www-form-urlencoded'))).status).toBe(400)

    const withPath = await serve(functionOf(scrapenestWebhooks({ path, secret })))
    expect((await deliver(withPath + path, signed())).status).toBe(202)
    expect(await deliver(`${withPath}/`, signed())).toMatchObject({ status: 404, reply: { error: 'not_found' } })
  })
})
