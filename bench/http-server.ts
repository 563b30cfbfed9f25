// One server for one contender: `node http-server.ts <host> <contender>`; prints its port, and stops with its parent.
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

const [host = '', contender = ''] = process.argv.slice(2)
const secret = process.env['BENCH_SECRET'] as string
const path = '/hook'
const accepted = '{"status":"accepted"}'
const contentType = 'application/json; charset=utf-8'

let jobs = 0
const options = { path, secret, onEvent: { 'job.completed': count } }

/** What the documented recipes do once they have the bytes: verify (svix 2 does not parse), then parse, then work. */
function svixRecipe(webhook: Webhook, body: Buffer, headers: IncomingMessage['headers']): void {
  webhook.verify(body, headers as Record<string, string>)
  const event = JSON.parse(body.toString('utf8')) as { event_type: string }
  if (event.event_type === 'job.completed') jobs += 1
}

function count(event: unknown): void {
  if ((event as { event_type?: string }).event_type === 'job.completed') jobs += 1
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const webhook = new Webhook(secret)

const servers: Record<string, Record<string, () => Promise<number>>> = {
  fastify: {
    async plain() {
      const app = fastify({ bodyLimit: 2 ** 20 })
      app.post(path, async (request, reply) => {
        count(request.body)
        return reply.code(202).header('content-type', contentType).send(accepted)
      })
      return await listenFastify(app)
    },
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
    plain() {
      const app = new Koa()
      app.use(bodyParser())
      app.use((ctx) => {
        count(ctx.request.body)
        ctx.status = 202
        ctx.type = contentType
        ctx.body = accepted
      })
      return listen(app.callback())
    },
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
    plain() {
      const app = express()
      app.use(express.json({ limit: '1mb' }))
      app.post(path, (request, response) => {
        count(request.body)
        response.status(202).type(contentType).send(accepted)
      })
      return listen(app)
    },
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
    plain() {
      return listen(async (request, response) => {
        count(JSON.parse((await readBody(request)).toString('utf8')))
        response.writeHead(202, { 'content-type': contentType, 'content-length': accepted.length }).end(accepted)
      })
    },
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

const port = await servers[host]?.[contender]?.()
process.send?.({ port })
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  if (message !== 'memory') return
  globalThis.gc?.()
  process.send?.({ jobs, ...process.memoryUsage() })
})
