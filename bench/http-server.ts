// The server of one contender: `node http-server.ts <host> <contender>`. Exits with its parent.
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyParser } from '@koa/bodyparser'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import { Webhook } from 'svix'
import { announce } from './child-server.ts'

const [host = '', contender = ''] = process.argv.slice(2)
const secret = process.env['BENCH_SECRET'] as string
const path = '/hook'
const accepted = '{"status":"accepted"}'
const contentType = 'application/json; charset=utf-8'

const handled = { jobs: 0 }
const options = { path, secret, onEvent: { 'job.completed': count } }

/** The documented recipes, once they have the bytes: verify (svix 2 does not parse), parse, work. */
function svixRecipe(webhook: Webhook, body: Buffer, headers: IncomingMessage['headers']): void {
  webhook.verify(body, headers as Record<string, string>)
  count(JSON.parse(body.toString('utf8')))
}

function count(event: unknown): void {
  if ((event as { event_type?: string }).event_type === 'job.completed') handled.jobs += 1
}

const handledAtMs = new Map<string, number>()

/** The minimal protection against duplicates: a Map that is never cleaned. */
function countOnce(event: unknown): void {
  const { event_id } = event as { readonly event_id: string }
  if (handledAtMs.has(event_id)) return
  handledAtMs.set(event_id, Date.now())
  count(event)
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const webhook = new Webhook(secret)

const servers: Record<string, Record<string, () => Promise<number>>> = {
  fastify: {
    plain: () => plainFastify(count),
    map: () => plainFastify(countOnce),
    async ours() {
      const app = fastify()
      await app.register(onFastify, options)
      return await listenFastify(app)
    },
    async svix() {
      const app = fastify({ bodyLimit: 2 ** 20 })
      app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
      app.post(path, async (request, reply) => {
        svixRecipe(webhook, request.body as Buffer, request.headers)
        return reply.code(202).header('content-type', contentType).send(accepted)
      })
      return await listenFastify(app)
    },
  },
  koa: {
    plain: () => plainKoa(count),
    map: () => plainKoa(countOnce),
    ours() {
      const app = new Koa()
      app.use(onKoa(options))
      return listen(app.callback())
    },
    svix() {
      const app = new Koa()
      app.use(async (ctx) => {
        svixRecipe(webhook, await readBody(ctx.req), ctx.req.headers)
        ctx.status = 202
        ctx.type = contentType
        ctx.body = accepted
      })
      return listen(app.callback())
    },
  },
  express: {
    plain: () => plainExpress(count),
    map: () => plainExpress(countOnce),
    ours() {
      const app = express()
      app.use(onExpress(options))
      return listen(app)
    },
    svix() {
      const app = express()
      app.post(path, express.raw({ type: 'application/json', limit: '1mb' }), (request, response) => {
        svixRecipe(webhook, request.body as Buffer, request.headers)
        response.status(202).type(contentType).send(accepted)
      })
      return listen(app)
    },
  },
  node: {
    plain: () => plainNode(count),
    map: () => plainNode(countOnce),
    ours() {
      return listen(onNode(options))
    },
    svix() {
      return listen(async (request, response) => {
        svixRecipe(webhook, await readBody(request), request.headers)
        response.writeHead(202, { 'content-type': contentType, 'content-length': accepted.length }).end(accepted)
      })
    },
  },
}

async function plainFastify(handle: (event: unknown) => void): Promise<number> {
  const app = fastify({ bodyLimit: 2 ** 20 })
  app.post(path, async (request, reply) => {
    handle(request.body)
    return reply.code(202).header('content-type', contentType).send(accepted)
  })
  return await listenFastify(app)
}

function plainKoa(handle: (event: unknown) => void): Promise<number> {
  const app = new Koa()
  app.use(bodyParser())
  app.use((ctx) => {
    handle(ctx.request.body)
    ctx.status = 202
    ctx.type = contentType
    ctx.body = accepted
  })
  return listen(app.callback())
}

function plainExpress(handle: (event: unknown) => void): Promise<number> {
  const app = express()
  app.use(express.json({ limit: '1mb' }))
  app.post(path, (request, response) => {
    handle(request.body)
    response.status(202).type(contentType).send(accepted)
  })
  return listen(app)
}

function plainNode(handle: (event: unknown) => void): Promise<number> {
  return listen(async (request, response) => {
    handle(JSON.parse((await readBody(request)).toString('utf8')))
    response.writeHead(202, { 'content-type': contentType, 'content-length': accepted.length }).end(accepted)
  })
}

async function listenFastify(app: ReturnType<typeof fastify>): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

const start = servers[host]?.[contender]
if (start === undefined) throw new Error(`No contender ${contender} on ${host}.`)
announce(await start())
