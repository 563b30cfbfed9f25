import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import express from 'express'
import express4 from 'express4'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { captureRawBody, scrapenestWebhooks } from '../src/index.ts'

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

async function serve(app: unknown): Promise<string> {
  const server = createServer(app as RequestListener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signed = () => signDelivery(createEvent('artifact.ready'), { secret })

describe.each([
  ['express 5', express],
  ['express 4', express4 as unknown as typeof express],
])('the %s middleware', (_name, framework) => {
  it('brings a typed event to its handler on a route of its own', async () => {
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

  it('answers 500 and says how to mount it when it is used for every request without a path', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const app = framework()
    app.use(scrapenestWebhooks({ secret }))
    const { status, reply } = await deliver((await serve(app)) + path, signed())
    expect([status, reply]).toEqual([500, { error: 'configuration_invalid' }])
    expect(String(warn.mock.calls[0]?.[0])).toContain('Give it a path')
  })

  it.each([
    ['express.raw', (app: ReturnType<typeof express>) => app.use(framework.raw({ type: () => true }))],
    ['express.text', (app: ReturnType<typeof express>) => app.use(framework.text({ type: () => true }))],
    [
      'express.json with captureRawBody',
      (app: ReturnType<typeof express>) => app.use(framework.json({ verify: captureRawBody })),
    ],
  ])('takes the bytes that %s has kept', async (_parser, register) => {
    const app = framework()
    register(app)
    app.use(scrapenestWebhooks({ path, secret }))
    const delivery = signDelivery('{ "event_type":"job.created", "data":{"n":1.0,"s":"\\u00e9 é🔑"} }', { secret })
    expect((await deliver((await serve(app)) + path, delivery)).reply).toEqual({ status: 'accepted' })
  })

  it('names the parser and the fix in the log when express.json has read the body', async () => {
    const lines: string[] = []
    const app = framework()
    app.use((request, _response, next) => {
      Object.assign(request, { log: { warn() {}, error: (_fields: object, message: string) => lines.push(message) } })
      next()
    })
    app.use(framework.json())
    app.use(scrapenestWebhooks({ path, secret }))
    expect((await deliver((await serve(app)) + path, signed())).reply).toEqual({ error: 'raw_body_unavailable' })
    expect(lines.join()).toContain('express.json({ verify: captureRawBody })')
  })

  it("takes the client address that 'trust proxy' finds", async () => {
    const app = framework()
    app.set('trust proxy', true)
    app.use(scrapenestWebhooks({ path, secret, allowedSources: ['192.0.2.0/24'] }))
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
})
