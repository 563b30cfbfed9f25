import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyParser as bodyParser6 } from '@koa/bodyparser'
import Router from '@koa/router'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import Koa from 'koa'
import koaBody from 'koa-body'
import bodyParser4 from 'koa-bodyparser'
import mount from 'koa-mount'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { scrapenestWebhooks } from '../src/index.ts'

const secret = generateSecret()
const path = '/webhooks/scrapenest'
const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  vi.restoreAllMocks()
})

async function serve(app: Koa): Promise<string> {
  const server = createServer(app.callback())
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signed = () => signDelivery(createEvent('artifact.ready'), { secret })

describe.each([
  ['koa 3', Koa],
  ['koa 2', Koa2 as unknown as typeof Koa],
])('the %s middleware', (_name, Framework) => {
  it('brings a typed event to its handler, and leaves other paths to the next middleware', async () => {
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

  it('answers 500 and says how to mount it when it is used for every request without a path', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const app = new Framework()
    app.use(scrapenestWebhooks({ secret }))
    const { status, reply } = await deliver((await serve(app)) + path, signed())
    expect([status, reply]).toEqual([500, { error: 'configuration_invalid' }])
    expect(String(warn.mock.calls[0]?.[0])).toContain('Give it a path')
  })

  it.each([
    ['@koa/bodyparser', () => bodyParser6()],
    ['koa-bodyparser', () => bodyParser4()],
    ['koa-body with includeUnparsed', () => koaBody({ includeUnparsed: true })],
  ])('takes the text that %s has kept', async (_parser, parser) => {
    const app = new Framework()
    app.use(parser())
    app.use(scrapenestWebhooks({ path, secret }))
    const delivery = signDelivery('{ "event_type":"job.created", "data":{"n":1.0,"s":"\\u00e9 é🔑"} }', { secret })
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ status: 'accepted' })
  })

  it('names the parser and the fix in the log when koa-body has read the body', async () => {
    const lines: string[] = []
    const app = new Framework()
    app.use((ctx, next) => {
      Object.assign(ctx.req, { log: { warn() {}, error: (_fields: object, message: string) => lines.push(message) } })
      return next()
    })
    app.use(koaBody())
    app.use(scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).reply).toEqual({ error: 'raw_body_unavailable' })
    expect(lines.join()).toContain('koa-body needs { includeUnparsed: true }')
  })

  it('takes the client address that app.proxy finds', async () => {
    const app = new Framework()
    app.proxy = true
    app.use(scrapenestWebhooks({ path, secret, allowedSources: ['192.0.2.0/24'] }))
    const url = (await serve(app)) + path
    const from = (address: string) => {
      const delivery = signed()
      return deliver(url, { ...delivery, headers: { ...delivery.headers, 'x-forwarded-for': address } })
    }
    expect((await from('192.0.2.7')).status).toBe(202)
    expect((await from('198.51.100.1')).reply).toEqual({ error: 'source_not_allowed' })
  })
})
