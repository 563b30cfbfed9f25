import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyParser } from '@koa/bodyparser'
import { captureRawBody, scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import fastify4 from 'fastify4'
import Koa from 'koa'
import koaBody from 'koa-body'
import Koa2 from 'koa2'

export const path = '/webhooks/scrapenest'

export interface RunningApp {
  readonly origin: string
  close(): Promise<void>
}

/** An application with its own routes and parsers, with or without the webhook. */
export interface ExistingApp {
  readonly name: string
  start(webhook: { readonly secret: string; readonly onHandled?: () => void } | undefined): Promise<RunningApp>
}

export function listen(listener: RequestListener): Promise<RunningApp & { readonly server: Server }> {
  const server = createServer(listener)
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const close = (): Promise<void> =>
        new Promise((closed) => {
          server.close(() => closed())
          server.closeAllConnections()
        })
      resolve({ server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close })
    })
  })
}

function fastifyApp(name: string, framework: typeof fastify | typeof fastify4): ExistingApp {
  return {
    name,
    async start(webhook) {
      const app = (framework as typeof fastify)({ bodyLimit: 2000 })
      app.addContentTypeParser('application/x-lines', { parseAs: 'string' }, (_request, text, done) =>
        done(null, String(text).split('\n')),
      )
      app.addContentTypeParser(/^application\/.+\+json$/, { parseAs: 'buffer' }, (_request, bytes, done) =>
        done(null, { length: bytes.length }),
      )
      if (webhook !== undefined) {
        const { secret, onHandled } = webhook
        await app.register(onFastify, { path, secret, onEvent: { '*': () => onHandled?.() } })
      }
      app.all('/echo', async (request) => ({ body: request.body ?? null, type: typeof request.body }))
      const origin = await app.listen({ port: 0, host: '127.0.0.1' })
      return { origin, close: () => app.close() }
    },
  }
}

function expressApp(name: string, framework: typeof express | typeof express4, capture: boolean): ExistingApp {
  return {
    name,
    start(webhook) {
      const { json, text, raw } = framework as typeof express
      const app = (framework as typeof express)()
      const webhooks =
        webhook && onExpress({ path, secret: webhook.secret, onEvent: { '*': () => webhook.onHandled?.() } })
      // Above the parsers, or below a parser that keeps the bytes.
      if (webhooks !== undefined && !capture) app.use(webhooks)
      app.use(json(capture && webhook !== undefined ? { limit: 2000, verify: captureRawBody } : { limit: 2000 }))
      app.use(text({ limit: 2000 }))
      app.use(raw({ type: 'application/x-lines', limit: 2000 }))
      if (webhooks !== undefined && capture) app.use(webhooks)
      app.all('/echo', (request, response) => {
        const body: unknown = request.body
        response.json({ body: Buffer.isBuffer(body) ? body.toString('hex') : (body ?? null), type: typeof body })
      })
      // Express's error page prints the stack, which differs with the webhook installed.
      app.use(
        (error: { status?: number; type?: string }, _request: unknown, response: express.Response, _next: unknown) => {
          response.status(error.status ?? 500).json({ error: error.type })
        },
      )
      return listen(app)
    },
  }
}

function koaApp(name: string, framework: typeof Koa | typeof Koa2, first: boolean): ExistingApp {
  return {
    name,
    start(webhook) {
      const app = new (framework as typeof Koa)()
      app.silent = true
      const webhooks = webhook && onKoa({ path, secret: webhook.secret, onEvent: { '*': () => webhook.onHandled?.() } })
      if (webhooks !== undefined && first) app.use(webhooks)
      // koa-body keeps no bytes, so the webhook must be above it. @koa/bodyparser keeps text, so it can be below.
      app.use(
        first
          ? koaBody({ jsonLimit: 2000, textLimit: 2000 })
          : bodyParser({ jsonLimit: '2kb', enableTypes: ['json', 'text'] }),
      )
      if (webhooks !== undefined && !first) app.use(webhooks)
      app.use((ctx, next) => {
        if (ctx.path !== '/echo') return next()
        const body: unknown = ctx.request.body
        ctx.body = { body: body ?? null, type: typeof body }
        return undefined
      })
      return listen(app.callback())
    },
  }
}

export const existingApps: readonly ExistingApp[] = [
  fastifyApp('Fastify 5', fastify),
  fastifyApp('Fastify 4', fastify4),
  koaApp('Koa 3, webhook above koa-body', Koa, true),
  koaApp('Koa 3, webhook below @koa/bodyparser', Koa, false),
  koaApp('Koa 2, webhook above koa-body', Koa2, true),
  koaApp('Koa 2, webhook below @koa/bodyparser', Koa2, false),
  expressApp('Express 5, webhook above express.json', express, false),
  expressApp('Express 5, webhook below express.json with captureRawBody', express, true),
  expressApp('Express 4, webhook above express.json', express4, false),
  expressApp('Express 4, webhook below express.json with captureRawBody', express4, true),
]
