import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyParser as bodyParser6 } from '@koa/bodyparser'
import Router from '@koa/router'
import type { Logger } from '@scrapenest-webhooks/core'
import { createEvent, deliver, generateSecret, type SignedDelivery, signDelivery } from '@scrapenest-webhooks/testing'
import Koa from 'koa'
import koaBody from 'koa-body'
import bodyParser4 from 'koa-bodyparser'
import mount from 'koa-mount'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { scrapenestWebhooks } from '../src/index.ts'

const secret = generateSecret()
const path = '/webhooks/scrapenest'
const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function serve(app: Koa): Promise<string> {
  const server = createServer(app.callback())
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signed = () => signDelivery(createEvent('artifact.ready'), { secret })

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

/** A body as a browser sends it, with well-formed headers and a made-up signature. */
function forgedForm(contentType: string, text: string): SignedDelivery {
  const { method, headers } = signDelivery(createEvent('job.created'), { secret: generateSecret() })
  return { method, headers: { ...headers, 'content-type': contentType }, body: Buffer.from(text) }
}

describe.each([
  ['koa 3', Koa],
  ['koa 2', Koa2 as unknown as typeof Koa],
])('the %s middleware', (_name, Framework) => {
  it('says how to mount it if it is mounted without a call, or called with the application', async () => {
    const app = new Framework()
    const errors: Error[] = []
    app.on('error', (error: Error) => errors.push(error))
    app.use(scrapenestWebhooks as never)
    await deliver(`${await serve(app)}${path}`, signed())
    expect(errors.map(String)).toEqual([expect.stringContaining('and mount what it returns')])
    expect(() => scrapenestWebhooks(app as never)).toThrow('and mount what it returns')
  })

  it('passes a typed event to its handler, and leaves other paths to the next middleware', async () => {
    const app = new Framework()
    const seen: string[] = []
    app.use(
      scrapenestWebhooks({
        path,
        secret,
        onEvent: { 'artifact.ready': (event, delivery) => seen.push(event.event_type, delivery.context?.path ?? '') },
      }),
    )
    app.use((ctx) => {
      ctx.body = 'another page'
    })
    const origin = await serve(app)
    expect((await deliver(origin + path, signed())).reply).toEqual({ status: 'accepted' })
    expect((await deliver(`${origin}/elsewhere`, signed())).reply).toBe('another page')
    expect(seen).toEqual(['artifact.ready', path])
  })

  it('answers on a route, under a mount, and at a path relative to the mount', async () => {
    const app = new Framework()
    const router = new Router({ prefix: '/webhooks' })
    router.post('/scrapenest', scrapenestWebhooks({ secret, name: 'routed' }))
    app.use(router.routes())
    app.use(mount('/mounted', scrapenestWebhooks({ secret, name: 'mounted' })))
    app.use(mount('/hooks', scrapenestWebhooks({ path: '/scrapenest', secret, name: 'relative' })))
    const origin = await serve(app)
    expect((await deliver(`${origin}/webhooks/scrapenest`, signed())).status).toBe(202)
    expect((await deliver(`${origin}/mounted`, signed())).status).toBe(202)
    expect((await deliver(`${origin}/hooks/scrapenest`, signed())).status).toBe(202)
    expect((await deliver(`${origin}/hooks/other`, signed())).status).toBe(404)
  })

  it('replies with 500 to every request if it runs for all of them without a path, and reports it once', async () => {
    const { lines, logger } = recordingLogger()
    const alarms: unknown[] = []
    const warnings: unknown[] = []
    const warned = (warning: unknown): void => void warnings.push(warning)
    process.on('warning', warned)
    const app = new Framework()
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

  it('warns once when the path is given to the mount and to the middleware, and passes the request on', async () => {
    const { lines, logger } = recordingLogger()
    const app = new Framework()
    app.use(mount(path, scrapenestWebhooks({ path, secret, logger })))
    const origin = await serve(app)
    for (let sent = 0; sent < 3; sent += 1) expect((await deliver(origin + path, signed())).status).toBe(404)
    expect(lines).toEqual([expect.stringContaining(`A request for ${path} was not handled`)])
    expect((await deliver(origin + path + path, signed())).status).toBe(202)
    expect(lines).toHaveLength(1)
  })

  it.each([
    ['@koa/bodyparser', () => bodyParser6()],
    ['koa-bodyparser', () => bodyParser4()],
    ['koa-body with includeUnparsed', () => koaBody({ includeUnparsed: true })],
  ])('uses the text that %s has kept', async (_parser, parser) => {
    const app = new Framework()
    app.use(parser())
    app.use(scrapenestWebhooks({ path, secret }))
    const delivery = signDelivery('{ "event_type":"job.created", "data":{"n":1.0,"s":"\\u00e9 é🔑"} }', { secret })
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ status: 'accepted' })
  })

  // With includeUnparsed, the parsed body carries its text under this symbol.
  it("uses the text that koa-body 4 to 6 keep under Symbol.for('unparsedBody')", async () => {
    const app = new Framework()
    app.use(async (ctx, next) => {
      let text = ''
      for await (const chunk of ctx.req.setEncoding('utf8')) text += chunk
      Object.assign(ctx.request, { body: { ...JSON.parse(text), [Symbol.for('unparsedBody')]: text } })
      await next()
    })
    app.use(scrapenestWebhooks({ path, secret }))
    const delivery = signDelivery('{ "event_type":"job.created", "data":{"n":1.0,"s":"\\u00e9 é🔑"} }', { secret })
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ status: 'accepted' })
  })

  it('answers 500, not a bad signature, if a parser dropped the byte order mark', async () => {
    const { lines, logger } = recordingLogger()
    const app = new Framework()
    app.use(async (ctx, next) => {
      const chunks: Buffer[] = []
      for await (const chunk of ctx.req) chunks.push(chunk)
      const rawBody = new TextDecoder().decode(Buffer.concat(chunks))
      Object.assign(ctx.request, { rawBody, body: JSON.parse(rawBody) })
      await next()
    })
    app.use(scrapenestWebhooks({ path, secret, logger }))
    const delivery = signDelivery('\ufeff{"event_type":"job.created"}', { secret })
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ error: 'raw_body_unavailable' })
    expect(lines).toEqual([expect.stringContaining('error raw_body_unavailable: ')])
  })

  it('names the parser and the fix in the log when koa-body has read the body', async () => {
    const { lines, logger } = recordingLogger()
    const app = new Framework()
    app.use((ctx, next) => {
      Object.assign(ctx.req, { log: logger })
      return next()
    })
    app.use(koaBody())
    app.use(scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).reply).toEqual({ error: 'raw_body_unavailable' })
    expect(lines).toEqual([expect.stringContaining('koa-body needs { includeUnparsed: true }')])
  })

  it.each([
    ['a form', 'application/x-www-form-urlencoded', 'a=1', koaBody()],
    [
      'an upload',
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
      koaBody({ includeUnparsed: true, multipart: true }),
    ],
  ])(
    'replies with 415 to %s that koa-body has read, without calling onError',
    async (_what, contentType, text, parser) => {
      const { lines, logger } = recordingLogger()
      const alarms: unknown[] = []
      const app = new Framework()
      app.use(parser)
      app.use(scrapenestWebhooks({ path, secret, logger, onError: (error) => void alarms.push(error) }))
      const url = (await serve(app)) + path
      for (let sent = 0; sent < 3; sent += 1) {
        const { status, reply } = await deliver(url, forgedForm(contentType, text))
        expect([status, reply]).toEqual([415, { error: 'content_type_unsupported' }])
      }
      expect(lines).toEqual([expect.stringContaining('warn content_type_unsupported: ')])
      expect(alarms).toEqual([])
    },
  )

  it.each(['request', 'req'] as const)('reads the request if ctx.%s.body is a getter that throws', async (owner) => {
    const app = new Framework()
    app.use((ctx, next) => {
      Object.defineProperty(ctx[owner], 'body', {
        get(): never {
          throw new Error('not parsed yet')
        },
      })
      return next()
    })
    app.use(scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).reply).toEqual({ status: 'accepted' })
  })

  it('uses the client address that app.proxy finds', async () => {
    const app = new Framework()
    app.proxy = true
    const { logger } = recordingLogger()
    app.use(scrapenestWebhooks({ path, secret, allowedSources: ['192.0.2.0/24'], logger }))
    const url = (await serve(app)) + path
    const from = (address: string) => {
      const delivery = signed()
      return deliver(url, { ...delivery, headers: { ...delivery.headers, 'x-forwarded-for': address } })
    }
    expect((await from('192.0.2.7')).status).toBe(202)
    expect((await from('198.51.100.1')).reply).toEqual({ error: 'source_not_allowed' })
  })

  it("leaves a failure to set the reply to Koa's error handling", async () => {
    const app = new Framework()
    app.silent = true
    const failed: unknown[] = []
    app.on('error', (error: unknown) => failed.push(error))
    app.use((ctx, next) => {
      const { set } = ctx
      ctx.set = (...values: unknown[]): never => {
        ctx.set = set
        throw new Error(`cannot set ${values[0]}`)
      }
      return next()
    })
    app.use(scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).status).toBe(500)
    expect(failed).toMatchObject([{ message: 'cannot set content-type' }])
  })
})
