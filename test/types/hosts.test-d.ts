import { createServer, type IncomingMessage } from 'node:http'
import { createReceiver, type Receiver, type ReceiverOptions, type ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as fetchWebhooks } from '@scrapenest-webhooks/core/fetch'
import {
  captureRawBody,
  type ExpressOptions,
  type ExpressRequest,
  scrapenestWebhooks as expressWebhooks,
  type ScrapenestWebhooksOptions,
} from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as fastifyWebhooks } from '@scrapenest-webhooks/fastify'
import { type KoaContext, scrapenestWebhooks as koaWebhooks } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as nodeWebhooks } from '@scrapenest-webhooks/node'
import express from 'express'
import express4 from 'express4'
import Fastify, { type FastifyRequest } from 'fastify'
import Koa from 'koa'
import Koa2 from 'koa2'
import { expectTypeOf } from 'vitest'

// As in the README: process.env is `string | undefined`, also under exactOptionalPropertyTypes.
const path = '/webhooks/scrapenest'
const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']
const save = async (_url: string): Promise<void> => {}
const warn = async (_reason: string): Promise<void> => {}
const receiver = createReceiver({ secret })

// Fastify 5
const fastify = Fastify()
await fastify.register(fastifyWebhooks, {
  path,
  secret,
  onEvent: {
    'artifact.ready': async (event) => {
      await save(event.data.download_url)
    },
    'job.completed': async (event) => {
      if (event.data.status === 'failed') await warn(event.data.failure_reason)
    },
  },
})
await fastify.register(fastifyWebhooks, { path, prefix: '/v1', decorateAs: false, receiver })
expectTypeOf(fastify.scrapenest).toEqualTypeOf<Receiver<ScrapeNestEvents, FastifyRequest>>()
fastify.scrapenest.onEvent('job.*', (event, { context }) => {
  expectTypeOf(event.data.job_id).toEqualTypeOf<string>()
  expectTypeOf(context).toEqualTypeOf<FastifyRequest | undefined>()
})
// @ts-expect-error The path is required.
await fastify.register(fastifyWebhooks, { secret })
// @ts-expect-error A misspelled event.
await fastify.register(fastifyWebhooks, { path, secret, onEvent: { 'artifact.redy': save } })

// Express 5 and 4
for (const app of [express(), express.Router()]) {
  app.use(expressWebhooks({ path, secret, onEvent: { 'artifact.ready': (event) => save(event.data.download_url) } }))
  app.post(path, expressWebhooks({ secret }))
  app.use(path, expressWebhooks({ receiver }))
}
express().use(express.json({ verify: captureRawBody }))
for (const app of [express4(), express4.Router()]) {
  app.use(expressWebhooks({ path, secret, onEvent: { 'artifact.ready': (event) => save(event.data.download_url) } }))
  app.post(path, expressWebhooks({ secret }))
  app.use(path, expressWebhooks({ receiver }))
}
express4().use(express4.json({ verify: captureRawBody }))
const onExpress = expressWebhooks({ path, secret })
onExpress.receiver.onEvent('*', (_event, { context }) =>
  expectTypeOf(context?.baseUrl).toEqualTypeOf<string | undefined>(),
)
// @ts-expect-error A misspelled option.
expressWebhooks({ path, secret, toleranceSecond: 300 })

// Koa 3 and 2
new Koa().use(koaWebhooks({ path, secret, onEvent: { 'artifact.ready': (event) => save(event.data.download_url) } }))
new Koa2().use(koaWebhooks({ path, secret, onEvent: { 'artifact.ready': (event) => save(event.data.download_url) } }))
new Koa().use(koaWebhooks({ path, receiver }))
koaWebhooks({ path, secret }).receiver.onEvent('*', (_event, { context }) =>
  expectTypeOf(context?.ip).toEqualTypeOf<string | undefined>(),
)
// @ts-expect-error A misspelled event.
new Koa().use(koaWebhooks({ path, secret, onEvent: { 'artifact.redy': save } }))

// Bare node:http
createServer(nodeWebhooks({ path, secret, onEvent: { 'artifact.ready': (event) => save(event.data.download_url) } }))
nodeWebhooks({ path, secret }).receiver.onEvent('*', (_event, { context }) =>
  expectTypeOf(context).toEqualTypeOf<IncomingMessage | undefined>(),
)

// Fetch-style servers
const onFetch = fetchWebhooks({ secret, onEvent: { 'artifact.ready': (event) => save(event.data.download_url) } })
expectTypeOf(onFetch).toBeCallableWith(new Request('https://shop.example'))
expectTypeOf(onFetch).toBeCallableWith(new Request('https://shop.example'), { params: Promise.resolve({}) })
expectTypeOf(onFetch(new Request('https://shop.example'))).toEqualTypeOf<Promise<Response>>()
interface HonoLike {
  readonly env: { readonly region: string }
}
const onHono = fetchWebhooks<HonoLike>({
  secret,
  onEvent: { '*': (_event, { context }) => save(context?.env.region ?? '') },
})
expectTypeOf(onHono).toBeCallableWith(new Request('https://shop.example'), { env: { region: 'eu' } })
onHono.receiver.onEvent('*', (_event, { context }) => expectTypeOf(context).toEqualTypeOf<HonoLike | undefined>())
// @ts-expect-error A handler that expects Hono's context must get one.
onHono(new Request('https://shop.example'))

// A ready receiver of any catalog fits every host and is exposed as `.receiver`.
interface ShopEvents {
  'order.paid': { readonly total: number }
}
const shop = createReceiver<ShopEvents>({ secret })
expectTypeOf(expressWebhooks({ path, receiver: shop }).receiver).toEqualTypeOf<Receiver<ShopEvents>>()
expectTypeOf(koaWebhooks({ path, receiver: shop }).receiver).toEqualTypeOf<Receiver<ShopEvents>>()
expectTypeOf(nodeWebhooks({ path, receiver: shop }).receiver).toEqualTypeOf<Receiver<ShopEvents>>()
expectTypeOf(fetchWebhooks({ receiver: shop }).receiver).toEqualTypeOf<Receiver<ShopEvents>>()
await fastify.register(fastifyWebhooks, { path: '/shop', decorateAs: false, receiver: shop })
// @ts-expect-error A receiver and its options are mutually exclusive.
expressWebhooks({ path, receiver: shop, toleranceSecond: 300 })

// A receiver whose handlers use one host's context does not fit another host.
const forKoa = createReceiver<ScrapeNestEvents, KoaContext>({ secret })
koaWebhooks({ path, receiver: forKoa })
// @ts-expect-error Koa's ctx is not Express' request.
expressWebhooks({ path, receiver: forKoa })
// @ts-expect-error Koa's ctx is not node's request.
nodeWebhooks({ path, receiver: forKoa })
// @ts-expect-error Koa's ctx is not Fastify's request.
await fastify.register(fastifyWebhooks, { path, receiver: forKoa })
const forFastify = createReceiver<ScrapeNestEvents, FastifyRequest>({ secret })
await fastify.register(fastifyWebhooks, { path: '/own', decorateAs: false, receiver: forFastify })
// @ts-expect-error Fastify's request is not Koa's ctx.
koaWebhooks({ path, receiver: forFastify })

// Options and receivers can be declared separately with the adapter's exports.
const apart: ScrapenestWebhooksOptions = {
  path,
  secret,
  onEvent: { 'artifact.ready': (event) => save(event.data.download_url) },
}
express().use(expressWebhooks(apart as ExpressOptions & ReceiverOptions<ScrapeNestEvents, ExpressRequest>))
