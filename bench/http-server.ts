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
    async nodup() {
      const app = fastify()
      const c = { state: 'claimed', token: '1' } as const
      await app.register(onFastify, { ...options, duplicates: { claim: () => c, complete() {}, release() {} } })
      return await listenFastify(app)
    },
    async b_parse() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { SigningKey } = await import('../packages/core/src/signing-key.ts')
      const { collectHeaders } = await import('../packages/core/src/headers.ts')
      const { readSignedHeaders } = await import('../packages/core/src/signed-headers.ts')
      const { parseEnvelope } = await import('../packages/core/src/envelope.ts')
      const { createHmac, createSecretKey, hash, timingSafeEqual } = await import('node:crypto')
      const key = new SigningKey(Buffer.alloc(32, 7))
      const ko = createSecretKey(Buffer.alloc(32, 7))
      void [collectHeaders, readSignedHeaders, parseEnvelope, createHmac, hash, key, ko, timingSafeEqual]
      let sink: unknown
      app.post(path, (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(parseEnvelope(b, 'x'))
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
      return await listenFastify(app)
    },
    async b_headers() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { SigningKey } = await import('../packages/core/src/signing-key.ts')
      const { collectHeaders } = await import('../packages/core/src/headers.ts')
      const { readSignedHeaders } = await import('../packages/core/src/signed-headers.ts')
      const { parseEnvelope } = await import('../packages/core/src/envelope.ts')
      const { createHmac, createSecretKey, hash, timingSafeEqual } = await import('node:crypto')
      const key = new SigningKey(Buffer.alloc(32, 7))
      const ko = createSecretKey(Buffer.alloc(32, 7))
      void [collectHeaders, readSignedHeaders, parseEnvelope, createHmac, hash, key, ko, timingSafeEqual]
      let sink: unknown
      app.post(path, (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(JSON.parse(b.toString())); sink = readSignedHeaders(collectHeaders(request.headers), { nowMs: Date.now(), toleranceSeconds: 300 })
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
      return await listenFastify(app)
    },
    async b_oneshot() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { SigningKey } = await import('../packages/core/src/signing-key.ts')
      const { collectHeaders } = await import('../packages/core/src/headers.ts')
      const { readSignedHeaders } = await import('../packages/core/src/signed-headers.ts')
      const { parseEnvelope } = await import('../packages/core/src/envelope.ts')
      const { createHmac, createSecretKey, hash, timingSafeEqual } = await import('node:crypto')
      const key = new SigningKey(Buffer.alloc(32, 7))
      const ko = createSecretKey(Buffer.alloc(32, 7))
      void [collectHeaders, readSignedHeaders, parseEnvelope, createHmac, hash, key, ko, timingSafeEqual]
      let sink: unknown
      app.post(path, (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(JSON.parse(b.toString())); sink = key.mac('msg_0123456789012345678901234567890.1763920000.', b)
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
      return await listenFastify(app)
    },
    async b_hmac() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { SigningKey } = await import('../packages/core/src/signing-key.ts')
      const { collectHeaders } = await import('../packages/core/src/headers.ts')
      const { readSignedHeaders } = await import('../packages/core/src/signed-headers.ts')
      const { parseEnvelope } = await import('../packages/core/src/envelope.ts')
      const { createHmac, createSecretKey, hash, timingSafeEqual } = await import('node:crypto')
      const key = new SigningKey(Buffer.alloc(32, 7))
      const ko = createSecretKey(Buffer.alloc(32, 7))
      void [collectHeaders, readSignedHeaders, parseEnvelope, createHmac, hash, key, ko, timingSafeEqual]
      let sink: unknown
      app.post(path, (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(JSON.parse(b.toString())); sink = createHmac('sha256', ko).update('msg_0123456789012345678901234567890.1763920000.', 'latin1').update(b).digest()
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
      return await listenFastify(app)
    },
    async b_hash1() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { SigningKey } = await import('../packages/core/src/signing-key.ts')
      const { collectHeaders } = await import('../packages/core/src/headers.ts')
      const { readSignedHeaders } = await import('../packages/core/src/signed-headers.ts')
      const { parseEnvelope } = await import('../packages/core/src/envelope.ts')
      const { createHmac, createSecretKey, hash, timingSafeEqual } = await import('node:crypto')
      const key = new SigningKey(Buffer.alloc(32, 7))
      const ko = createSecretKey(Buffer.alloc(32, 7))
      void [collectHeaders, readSignedHeaders, parseEnvelope, createHmac, hash, key, ko, timingSafeEqual]
      let sink: unknown
      app.post(path, (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(JSON.parse(b.toString())); sink = hash('sha256', b, 'latin1' as never)
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
      return await listenFastify(app)
    },
    async fakereceiver() {
      const app = fastify()
      const { acknowledgementReply } = await import('../packages/core/src/reply.ts')
      const { verifyEvent } = await import('@scrapenest-webhooks/core')
      const receiver = { receive: async (r: { headers: never, body(l: unknown): Promise<Buffer> }) => { const body = await r.body({ maxBytes: 1e6 }); count(verifyEvent({ headers: r.headers, body }, secret)); return acknowledgementReply('accepted') }, start: async () => {}, close: async () => {} }
      await app.register(onFastify, { path, receiver: receiver as never })
      return await listenFastify(app)
    },
    async barereceiver() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { createReceiver } = await import('@scrapenest-webhooks/core')
      const receiver = createReceiver({ secret, onEvent: options.onEvent })
      app.post(path, (request, reply) => {
        void receiver.receive({ method: 'POST', url: path, headers: request.headers, body: (l) => readNodeStream(request.body as never, l) }).then((r) => {
          reply.code(202).header('content-type', contentType).send(r.body)
        })
      })
      return await listenFastify(app)
    },
    async timed() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { createReceiver } = await import('@scrapenest-webhooks/core')
      const receiver = createReceiver({ secret, onEvent: options.onEvent })
      const T = { n: 0, a: 0, b: 0, c: 0 }
      app.post(path, (request, reply) => {
        let t1 = 0
        const t0 = performance.now()
        const p = receiver.receive({ method: 'POST', url: path, headers: request.headers, body: (l) => readNodeStream(request.body as never, l).then((x) => { t1 = performance.now(); return x }) })
        T.a += performance.now() - t0
        void p.then((r) => {
          const t2 = performance.now()
          T.b += t2 - t1
          reply.code(202).header('content-type', contentType).send(r.body)
          T.c += performance.now() - t2
          if (++T.n % 30000 === 0) { console.log('receiver: before body', (T.a / 30).toFixed(2), 'after body', (T.b / 30).toFixed(2), 'send', (T.c / 30).toFixed(2)); T.a = T.b = T.c = 0 }
        })
      })
      return await listenFastify(app)
    },
    async timedverify() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { verifyEvent } = await import('@scrapenest-webhooks/core')
      const T = { n: 0, a: 0, b: 0, c: 0 }
      app.post(path, (request, reply) => {
        const t0 = performance.now()
        const p = readNodeStream(request.body as never, { maxBytes: 1e6 })
        T.a += performance.now() - t0
        void p.then((b) => {
          const t1 = performance.now()
          count(verifyEvent({ headers: request.headers, body: b }, secret))
          const t2 = performance.now()
          T.b += t2 - t1
          reply.code(202).header('content-type', contentType).send(accepted)
          T.c += performance.now() - t2
          if (++T.n % 30000 === 0) { console.log('verify: before body', (T.a / 30).toFixed(2), 'after body', (T.b / 30).toFixed(2), 'send', (T.c / 30).toFixed(2)); T.a = T.b = T.c = 0 }
        })
      })
      return await listenFastify(app)
    },
    async timedplain() {
      const app = fastify({ bodyLimit: 2 ** 20 })
      const T = { n: 0, c: 0 }
      app.post(path, (request, reply) => {
        count(request.body)
        const t2 = performance.now()
        void reply.code(202).header('content-type', contentType).send(accepted)
        T.c += performance.now() - t2
        if (++T.n % 30000 === 0) { console.log('plain: send', (T.c / 30).toFixed(2)); T.c = 0 }
      })
      return await listenFastify(app)
    },
    async dupsmall() {
      const app = fastify()
      const { memoryDuplicates } = await import('@scrapenest-webhooks/core')
      void memoryDuplicates
      await app.register(onFastify, { ...options, duplicates: memoryDuplicates({ maxEvents: 2000 }) })
      return await listenFastify(app)
    },
    async dupset() {
      const app = fastify()
      const { memoryDuplicates } = await import('@scrapenest-webhooks/core')
      void memoryDuplicates
      await app.register(onFastify, { ...options, duplicates: (() => { let m = new Set<string>(), o = m; const c = { state: 'claimed', token: '1' } as const; return { claim(k: string) { if (m.has(k)) return { state: 'done' } as const; m.add(k); if (m.size > 50000) { o = m; m = new Set() } void o; return c }, complete() {}, release() {} } })() })
      return await listenFastify(app)
    },
    async dupslice() {
      const app = fastify()
      const { memoryDuplicates } = await import('@scrapenest-webhooks/core')
      void memoryDuplicates
      await app.register(onFastify, { ...options, duplicates: (() => { let m = new Set<string>(), o = m; const c = { state: 'claimed', token: '1' } as const; return { claim(k0: string) { const k = k0.slice(11); if (m.has(k)) return { state: 'done' } as const; m.add(k); if (m.size > 50000) { o = m; m = new Set() } void o; return c }, complete() {}, release() {} } })() })
      return await listenFastify(app)
    },
    async dupnohash() {
      const app = fastify()
      const { memoryDuplicates } = await import('@scrapenest-webhooks/core')
      void memoryDuplicates
      await app.register(onFastify, { ...options, duplicates: (() => { const c = { state: 'claimed', token: '1' } as const; let q = ''; return { claim(k: string) { q = k; return c }, complete() { void q }, release() {} } })() })
      return await listenFastify(app)
    },
    async duphash() {
      const app = fastify()
      const { memoryDuplicates } = await import('@scrapenest-webhooks/core')
      void memoryDuplicates
      await app.register(onFastify, { ...options, duplicates: (() => { const c = { state: 'claimed', token: '1' } as const; const q = new Set<string>(['a']); return { claim(k: string) { if (q.has(k)) throw new Error(); return c }, complete() { void q }, release() {} } })() })
      return await listenFastify(app)
    },
    async dupretain() {
      const app = fastify()
      const { memoryDuplicates } = await import('@scrapenest-webhooks/core')
      void memoryDuplicates
      await app.register(onFastify, { ...options, duplicates: (() => { const c = { state: 'claimed', token: '1' } as const; const q = new Array<string>(100000).fill(''); let i = 0; return { claim(k: string) { q[i++ % 100000] = k; return c }, complete() { void q }, release() {} } })() })
      return await listenFastify(app)
    },
    async notimer() {
      const app = fastify()
      const st = globalThis.setTimeout, ct = globalThis.clearTimeout
      globalThis.setTimeout = ((f: () => void, ms: number) => ms === 9000 ? undefined : st(f, ms)) as never
      globalThis.clearTimeout = ((t: undefined) => t && ct(t)) as never
      await app.register(onFastify, options)
      return await listenFastify(app)
    },
    async bare() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { verifyEvent } = await import('@scrapenest-webhooks/core')
      app.post(path, (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(JSON.parse(b.toString()))
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
      app.post(path + 'v', (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(verifyEvent({ headers: request.headers, body: b }, secret))
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
      return await listenFastify(app)
    },
    async bareverify() {
      const app = fastify()
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
      const { readNodeStream } = await import('@scrapenest-webhooks/core/node-stream')
      const { verifyEvent } = await import('@scrapenest-webhooks/core')
      app.post(path, (request, reply) => {
        void readNodeStream(request.body as never, { maxBytes: 1e6 }).then((b) => {
          count(verifyEvent({ headers: request.headers, body: b }, secret))
          reply.code(202).header('content-type', contentType).send(accepted)
        })
      })
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
