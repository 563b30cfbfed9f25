import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { bodyParser as koaBodyparser6 } from '@koa/bodyparser'
import { scrapenestWebhooks as onFetch } from '@scrapenest-webhooks/core/fetch'
import { captureRawBody, scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import { type ConformanceTarget, type HostException, conformancePath as path } from '@scrapenest-webhooks/testing'
import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import fastify4 from 'fastify4'
import Koa from 'koa'
import koaBody from 'koa-body'
import Koa2 from 'koa2'
import { listen, parseJsonFirst, serverOf } from './node-server.ts'

/** The JSON parser answers a body that is not JSON before the webhook sees the request. */
const notJson: readonly HostException[] = [
  { check: 'P02', condition: 'parser first', because: 400 },
  { check: 'P02', condition: 'captured raw body', because: 400 },
]

const node: ConformanceTarget = {
  name: 'node',
  async listen(receiver, arrangement) {
    const handler = onNode({ receiver, path })
    const listener = arrangement === 'bare' ? handler : parseJsonFirst(arrangement === 'captured raw body', handler)
    return await listen(createServer(listener))
  },
}

const fetchStyle: ConformanceTarget = {
  name: 'fetch',
  async listen(receiver, arrangement) {
    if (arrangement === 'captured raw body') return { notApplicable: 'a Request has no place for captured bytes' }
    const handler = onFetch({ receiver, remoteAddress: () => '127.0.0.1' })
    const server = serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        if (arrangement === 'parser first') await request.json().catch(() => undefined)
        return await handler(request)
      },
    }) as Server
    if (!server.listening) await once(server, 'listening')
    return serverOf(server)
  },
}

function expressTarget(name: string, framework: typeof express | typeof express4): ConformanceTarget {
  return {
    name,
    exceptions: notJson,
    async listen(receiver, arrangement) {
      const app = (framework as typeof express)()
      app.set('env', 'test')
      if (arrangement === 'parser first') app.use(express.json())
      if (arrangement === 'captured raw body') app.use(express.json({ verify: captureRawBody }))
      app.use(onExpress({ receiver, path }))
      return await listen(createServer(app))
    },
  }
}

function koaTarget(name: string, framework: typeof Koa | typeof Koa2): ConformanceTarget {
  return {
    name,
    exceptions: [
      ...notJson,
      {
        check: 'P03',
        condition: 'captured raw body',
        because: 'the parser keeps text, which has lost the invalid bytes',
      },
    ],
    async listen(receiver, arrangement) {
      const app = new (framework as typeof Koa)()
      app.silent = true
      if (arrangement === 'parser first') app.use(koaBody({ jsonLimit: '1mb' }))
      if (arrangement === 'captured raw body') app.use(koaBodyparser6())
      app.use(onKoa({ receiver, path }))
      return await listen(createServer(app.callback()))
    },
  }
}

function fastifyTarget(name: string, framework: typeof fastify | typeof fastify4): ConformanceTarget {
  return {
    name,
    async listen(receiver, arrangement) {
      const app = (framework as typeof fastify)()
      if (arrangement !== 'bare') {
        // Like a body parser behind @fastify/middie, or a platform that parses the body before calling Fastify.
        const parse = parseJsonFirst(arrangement === 'captured raw body', () => {})
        app.addHook('onRequest', (request, reply, done) => {
          if (request.raw.method === 'GET') return done()
          parse(request.raw, reply.raw)
          request.raw.on('end', () => setImmediate(done))
        })
      }
      await app.register(onFastify, { receiver, path })
      await app.listen({ port: 0, host: '127.0.0.1' })
      return {
        port: (app.server.address() as AddressInfo).port,
        async close() {
          app.server.closeAllConnections()
          await app.close()
        },
      }
    },
  }
}

/** Every host with an adapter, in its newest and oldest supported major. */
export const targets: readonly ConformanceTarget[] = [
  fetchStyle,
  node,
  fastifyTarget('fastify 5', fastify),
  fastifyTarget('fastify 4', fastify4),
  koaTarget('koa 3', Koa),
  koaTarget('koa 2', Koa2),
  expressTarget('express 5', express),
  expressTarget('express 4', express4),
]
