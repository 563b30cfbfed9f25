// The same webhook on three hosts, each set up correctly and also behind a JSON parser that consumes the bytes.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReceiverOptions, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import koaBody from 'koa-body'

const path = '/webhooks/scrapenest'

interface RunningServer {
  readonly url: string
  close(): Promise<void>
}

export interface DemoHost {
  readonly name: string
  start(options: ReceiverOptions<ScrapeNestEvents>, parserFirst: boolean): Promise<RunningServer>
}

export const hosts: readonly DemoHost[] = [
  {
    name: 'Fastify',
    async start(options, parserFirst) {
      const app = fastify()
      if (parserFirst) {
        // Fastify's own JSON parser never sees our route, but an Express body parser in a hook does.
        const parse = express.json()
        app.addHook('onRequest', (request, reply, done) =>
          parse(request.raw as never, reply.raw as never, done as never),
        )
      }
      await app.register(onFastify, { path, ...options })
      const origin = await app.listen({ port: 0, host: '127.0.0.1' })
      return { url: origin + path, close: () => app.close() }
    },
  },
  {
    name: 'Koa',
    start(options, parserFirst) {
      const app = new Koa()
      if (parserFirst) app.use(koaBody())
      app.use(onKoa({ path, ...options }))
      return listen(app.callback())
    },
  },
  {
    name: 'Express',
    start(options, parserFirst) {
      const app = express()
      if (parserFirst) app.use(express.json())
      app.use(onExpress({ path, ...options }))
      return listen(app)
    },
  },
]

function listen(listener: RequestListener): Promise<RunningServer> {
  const server: Server = createServer(listener)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      const close = (): Promise<void> =>
        new Promise((closed) => {
          server.close(() => closed())
          server.closeAllConnections()
        })
      resolve({ url: `http://127.0.0.1:${port}${path}`, close })
    })
  })
}
