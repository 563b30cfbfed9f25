import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { createGunzip, type Gunzip } from 'node:zlib'
import { createReceiver, type Logger, type WebhookEvent } from '@scrapenest-webhooks/core'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyRequest } from 'fastify'
import rawBody from 'fastify-raw-body'
import fastify4 from 'fastify4'
import { afterEach, describe, expect, it } from 'vitest'
import { scrapenestWebhooks } from '../src/index.ts'

const secret = generateSecret()
const path = '/webhooks/scrapenest'
const quiet: Logger = { warn() {}, error() {} }
const apps: FastifyInstance[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

function keep<App>(app: App): App {
  apps.push(app as unknown as FastifyInstance)
  return app
}

function inject(app: FastifyInstance, url = path, delivery = signDelivery(createEvent('job.created'), { secret })) {
  return app.inject({ method: 'POST', url, headers: delivery.headers, payload: delivery.body })
}

describe.each([
  ['fastify 5', fastify],
  ['fastify 4', fastify4 as unknown as typeof fastify],
])('the %s plugin', (_name, framework) => {
  it('can be registered alongside wildcard and parametric routes that match its path', async () => {
    const app = keep(framework())
    app.all('/*', async () => 'page')
    app.post('/webhooks/:name', async () => 'other')
    await app.register(scrapenestWebhooks, { path, secret, logger: quiet })
    expect((await inject(app)).statusCode).toBe(202)
    expect((await app.inject({ method: 'PUT', url: path })).statusCode).toBe(405)
  })

  it('passes a typed event to its handler through inject', async () => {
    const app = keep(framework())
    const seen: string[] = []
    await app.register(scrapenestWebhooks, {
      path,
      secret,
      onEvent: {
        'artifact.ready': (event, delivery) => seen.push(event.data.artifact_type, delivery.context?.url ?? ''),
      },
    })
    const response = await inject(app, path, signDelivery(createEvent('artifact.ready'), { secret }))
    expect([response.statusCode, response.body]).toEqual([202, '{"status":"accepted"}'])
    expect(seen).toEqual(['html', path])
  })

  it('answers under the prefix it was registered with, and nowhere else', async () => {
    const app = keep(framework())
    await app.register(scrapenestWebhooks, { prefix: '/api', path, secret })
    expect((await inject(app, `/api${path}`)).statusCode).toBe(202)
    expect((await inject(app)).statusCode).toBe(404)
  })

  it('lets plugins that are registered later add handlers through the decorator', async () => {
    const app = keep(framework())
    const seen: string[] = []
    await app.register(scrapenestWebhooks, { path, secret })
    await app.register(async (child) => {
      child.scrapenest.onEvent('job.*', (event) => {
        seen.push(event.event_type)
      })
    })
    expect((await inject(app)).statusCode).toBe(202)
    expect(seen).toEqual(['job.created'])
  })

  it('accepts a second registration under another name, and fails with the fix when the name is taken', async () => {
    const app = keep(framework())
    const other = generateSecret()
    await app.register(scrapenestWebhooks, { path, secret, logger: quiet })
    await app.register(scrapenestWebhooks, { path: '/other', secret: other, decorateAs: 'other', name: 'other' })
    await app.register(scrapenestWebhooks, { path: '/third', secret: other, decorateAs: false, name: 'third' })
    const delivery = signDelivery(createEvent('job.created'), { secret: other })
    expect((await inject(app, '/other', delivery)).body).toBe('{"status":"accepted"}')
    expect((await inject(app, '/third', delivery)).body).toBe('{"status":"accepted"}')
    expect((await inject(app, path, delivery)).statusCode).toBe(400)

    const clashing = keep(framework())
    await clashing.register(scrapenestWebhooks, { path, secret })
    await expect(
      (async () => await clashing.register(scrapenestWebhooks, { path: '/other', secret }))(),
    ).rejects.toMatchObject({ code: 'configuration_invalid', message: expect.stringContaining('decorateAs') })
  })

  it('fails to register when it is called like the other adapters, and says what to do', async () => {
    const call = scrapenestWebhooks as unknown as (options: object) => FastifyPluginAsync
    await expect(keep(framework()).register(call({ path, secret }))).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('app.register(scrapenestWebhooks, {'),
    })
  })

  it('fails to register without a secret, and says what to do', async () => {
    const app = keep(framework())
    await expect(
      (async () => await app.register(scrapenestWebhooks, { path, secret: undefined }))(),
    ).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('SCRAPENEST_WEBHOOK_SECRET'),
    })
  })

  it('neither starts nor closes a ready receiver', async () => {
    const app = framework()
    const receiver = createReceiver({ secret })
    await app.register(scrapenestWebhooks, { path, receiver })
    expect((await inject(app)).statusCode).toBe(202)
    await app.close()
    const delivery = signDelivery(createEvent('job.created'), { secret })
    const reply = await receiver.receive({ ...delivery, body: async () => delivery.body })
    expect(reply.body).toBe('{"status":"accepted"}')
  })

  it('drains before it closes: a running handler finishes, and its delivery is answered', async () => {
    const app = framework()
    let finish = (): void => {}
    let entered = (): void => {}
    const isRunning = new Promise<void>((resolve) => {
      entered = resolve
    })
    await app.register(scrapenestWebhooks, {
      path,
      secret,
      onEvent: {
        '*': () => {
          entered()
          return new Promise<void>((resolve) => {
            finish = resolve
          })
        },
      },
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}${path}`
    const answered = deliver(url, signDelivery(createEvent('job.created'), { secret }))
    await isRunning
    const closed = app.close()
    finish()
    expect((await answered).status).toBe(202)
    await closed
  })

  it('does not change an earlier route for another method at the same path', async () => {
    const app = keep(framework())
    app.get(path, async () => 'webhooks live here')
    await app.register(scrapenestWebhooks, { path, secret })
    expect((await app.inject(path)).body).toBe('webhooks live here')
    expect((await inject(app)).statusCode).toBe(202)
  })

  describe('fails at startup when two POST routes have one path:', () => {
    const second = { secret: generateSecret(), decorateAs: 'second', name: 'second' }
    const ownRoute = async (): Promise<string> => 'a route of the application'

    it('a second registration', async () => {
      const app = keep(framework())
      await app.register(scrapenestWebhooks, { path, secret })
      await expect((async () => await app.register(scrapenestWebhooks, { path, ...second }))()).rejects.toMatchObject({
        code: 'configuration_invalid',
        message: expect.stringContaining(`A POST route already exists at ${path}.`),
      })
    })

    it('a second registration whose prefix and path come to the same', async () => {
      const app = keep(framework())
      await app.register(scrapenestWebhooks, { prefix: '/webhooks', path: '/scrapenest', secret })
      await expect((async () => await app.register(scrapenestWebhooks, { path, ...second }))()).rejects.toMatchObject({
        code: 'configuration_invalid',
      })
    })

    it.each(['post', 'all'] as const)('app.%s before the plugin', async (method) => {
      const app = keep(framework())
      app[method](path, ownRoute)
      await expect((async () => await app.register(scrapenestWebhooks, { path, secret }))()).rejects.toMatchObject({
        code: 'configuration_invalid',
        message: expect.stringContaining('Choose another path for scrapenestWebhooks.'),
      })
    })

    it('app.post after the plugin', async () => {
      const app = keep(framework())
      await app.register(scrapenestWebhooks, { path, secret })
      expect(() => app.post(path, ownRoute)).toThrow(expect.objectContaining({ code: 'FST_ERR_DUPLICATED_ROUTE' }))
    })

    it('a route of another plugin, in any order of registration', async () => {
      const routes = async (child: FastifyInstance): Promise<void> => void child.post(path, ownRoute)
      const before = keep(framework())
      before.register(routes)
      before.register(scrapenestWebhooks, { path, secret })
      await expect((async () => await before.ready())()).rejects.toMatchObject({ code: 'configuration_invalid' })
      const after = keep(framework())
      after.register(scrapenestWebhooks, { path, secret })
      after.register(routes)
      await expect((async () => await after.ready())()).rejects.toMatchObject({ code: 'FST_ERR_DUPLICATED_ROUTE' })
    })
  })

  // These hooks used to find the live stream in `request.body`. Logging it shows the whole request with its
  // signature; stringifying or copying it breaks the delivery.
  it.each<[string, (request: FastifyRequest) => void]>([
    ['logs the body', (request) => void (request.body && request.log.info({ body: request.body }, 'parsed body'))],
    ['serializes the body', (request) => void (request.body && JSON.stringify(request.body))],
    [
      'replaces the body with a copy',
      (request) => {
        request.body = request.body && { ...request.body }
      },
    ],
    [
      'clears the body',
      (request) => {
        request.body = undefined
      },
    ],
  ])('shows no body to a hook of the application that %s', async (_what, hook) => {
    const written: string[] = []
    const bodies: unknown[] = []
    const stream = { write: (line: string) => void written.push(line) }
    const app = keep(framework({ logger: { level: 'info', stream } }))
    for (const name of ['preParsing', 'preValidation', 'preHandler'] as const) {
      app.addHook(name, async (request: FastifyRequest) => {
        bodies.push(request.body)
        hook(request)
      })
    }
    let handled = 0
    await app.register(scrapenestWebhooks, {
      path,
      secret,
      onEvent: {
        '*': () => {
          handled += 1
        },
      },
    })
    const delivery = signDelivery(createEvent('job.completed'), { secret })
    expect((await inject(app, path, delivery)).statusCode).toBe(202)
    expect(handled).toBe(1)
    expect(bodies.every((body) => body === undefined || body === null)).toBe(true)
    expect(written.join('')).not.toContain(delivery.headers['svix-signature'])
    expect(written.join('')).not.toContain('parsed body')
  })

  it('reads the stream that a preParsing hook substituted for the request', async () => {
    const app = keep(framework())
    app.addHook('preParsing', async (_request, _reply, payload) => payload.pipe(new PassThrough()))
    await app.register(scrapenestWebhooks, { path, secret })
    expect((await inject(app)).statusCode).toBe(202)
  })

  // A refused body is never read, so nothing else listens. Without a listener, an error of the stream ends the process.
  it('listens for the error of the stream that a preParsing hook substituted for the request', async () => {
    const app = keep(framework())
    const streams: Gunzip[] = []
    app.addHook('preParsing', async (_request, _reply, payload) => {
      const stream = payload.pipe(createGunzip())
      streams.push(stream)
      return stream
    })
    await app.register(scrapenestWebhooks, { path, secret, logger: quiet })
    const { method, headers, body } = signDelivery(createEvent('job.created'), { secret })
    const notCompressed = { method, headers: { ...headers, 'content-encoding': 'gzip' }, body }
    expect((await inject(app, path, notCompressed)).statusCode).toBe(415)
    await expect.poll(() => streams.map(({ destroyed }) => destroyed)).toEqual([true])
    expect(streams[0]?.errored).toMatchObject({ code: 'Z_DATA_ERROR' })
  })

  it('also reads forms, whatever parsers the application has', async () => {
    const app = keep(framework())
    app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) =>
      done(null, Object.fromEntries(new URLSearchParams(text as string))),
    )
    await app.register(scrapenestWebhooks, { path, secret, logger: quiet })
    const contentType = { 'content-type': 'application/x-www-form-urlencoded' }
    const { method, headers, body } = signDelivery(createEvent('job.created'), { secret })
    const genuine = { method, headers: { ...headers, ...contentType }, body }
    expect((await inject(app, path, genuine)).statusCode).toBe(202)
    const other = signDelivery(createEvent('job.created'), { secret: generateSecret() })
    const forged = { ...other, headers: { ...other.headers, ...contentType } }
    expect((await inject(app, path, forged)).body).toBe('{"error":"signature_mismatch"}')
  })

  it('hides its routes from the API document of the application', async () => {
    const app = keep(framework())
    const schemas: unknown[] = []
    app.addHook('onRoute', ({ url, schema }) => {
      if (url === path) schemas.push(schema)
    })
    await app.register(scrapenestWebhooks, { path, secret })
    expect(schemas.length).toBeGreaterThan(0)
    expect(schemas.every((schema) => (schema as { hide?: boolean }).hide === true)).toBe(true)
  })

  // Fastify rejects a close hook that takes longer than pluginTimeout, and then closes nothing that is left.
  it.each([
    ['the default', {}],
    ['a longer closeGraceMs', { closeGraceMs: 60_000 }],
  ])('closes within pluginTimeout although a handler never ends, with %s', async (_what, options) => {
    const app = framework({ pluginTimeout: 1000 })
    let isAborted = false
    let enter = (): void => {}
    const entered = new Promise<void>((resolve) => {
      enter = resolve
    })
    await app.register(scrapenestWebhooks, {
      path,
      secret,
      logger: quiet,
      ...options,
      onEvent: {
        '*': (_event, { signal }) => {
          signal.addEventListener('abort', () => {
            isAborted = true
          })
          enter()
          return new Promise(() => {})
        },
      },
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}${path}`
    const answered = deliver(url, signDelivery(createEvent('job.created'), { secret }))
    await entered
    await app.close()
    expect(isAborted).toBe(true)
    expect(await answered).toMatchObject({ status: 503, reply: { error: 'receiver_closing' } })
  })

  it('rejects a closeGraceMs that is not a number of milliseconds', async () => {
    const app = keep(framework())
    await expect(
      (async () => await app.register(scrapenestWebhooks, { path, secret, closeGraceMs: Number.NaN }))(),
    ).rejects.toMatchObject({ code: 'configuration_invalid', message: expect.stringContaining('closeGraceMs') })
  })

  it('closes the connection when the reply cannot be written, and reports it', async () => {
    const lines: { fields: object; message: string }[] = []
    const app = keep(framework())
    app.addHook('onRequest', async (_request, reply) => {
      reply.raw.writeHead = (): never => {
        throw new Error('the session store is down')
      }
    })
    await app.register(scrapenestWebhooks, { path, secret, logger: capturing(lines) })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}${path}`
    await expect(deliver(url, signDelivery(createEvent('job.created'), { secret }))).rejects.toThrow('fetch failed')
    expect(lines).toMatchObject([{ fields: { code: 'configuration_invalid' } }])
  })

  it('names the fix in the log of the application when a hook has read the body', async () => {
    const lines: { fields: object; message: string }[] = []
    const logger = capturing(lines)
    const app = keep(framework({ ...loggerOption(framework, logger) } as object))
    app.addHook('onRequest', (request, _reply, done) => {
      request.raw.resume()
      request.raw.on('end', () => done())
    })
    await app.register(scrapenestWebhooks, { path, secret })
    const response = await inject(app)
    expect([response.statusCode, response.body]).toEqual([500, '{"error":"raw_body_unavailable"}'])
    const line = lines.find(({ fields }) => (fields as { code?: string }).code === 'raw_body_unavailable')
    expect(line?.message).toContain('preParsing or onRequest hook')
  })

  it('uses the client address that trustProxy finds', async () => {
    const app = keep(framework({ trustProxy: true }))
    await app.register(scrapenestWebhooks, { path, secret, allowedSources: ['192.0.2.0/24'], logger: quiet })
    const { headers, body } = signDelivery(createEvent('job.created'), { secret })
    const from = (address: string) =>
      app.inject({ method: 'POST', url: path, headers: { ...headers, 'x-forwarded-for': address }, payload: body })
    expect((await from('192.0.2.7')).statusCode).toBe(202)
    expect((await from('198.51.100.1')).body).toBe('{"error":"source_not_allowed"}')
  })
})

it('reads the bytes itself if fastify-raw-body is registered for all routes', async () => {
  const app = keep(fastify())
  await app.register(rawBody, { global: true })
  await app.register(scrapenestWebhooks, { path, secret })
  expect((await inject(app)).statusCode).toBe(202)
})

it('receives over HTTP/2, and leaves the connection open for other streams', async () => {
  const seen: WebhookEvent[] = []
  const app = keep(fastify({ http2: true }))
  await app.register(scrapenestWebhooks, { path, secret, logger: quiet, onEvent: { '*': (event) => seen.push(event) } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const session = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  const post = (headers: Record<string, string>, body: Buffer): Promise<{ status: unknown; body: string }> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
      let status: unknown
      let text = ''
      stream.setEncoding('utf8')
      stream.on('response', (response) => {
        status = response[':status']
      })
      stream.on('data', (chunk: string) => {
        text += chunk
      })
      stream.on('end', () => resolve({ status, body: text }))
      stream.on('error', reject)
      stream.end(body)
    })
  const { headers, body } = signDelivery(createEvent('job.created'), { secret })
  expect(await post({ ...headers, 'svix-timestamp': '1' }, body)).toMatchObject({ status: 400 })
  expect(await post(headers, body)).toEqual({ status: 202, body: '{"status":"accepted"}' })
  expect(seen).toHaveLength(1)
  session.close()
})

function capturing(lines: { fields: object; message: string }[]): Logger {
  const write = (fields: object, message: string): void => {
    lines.push({ fields, message })
  }
  const logger = {
    info: write,
    debug: write,
    trace: write,
    fatal: write,
    warn: write,
    error: write,
    level: 'warn',
    child: () => logger,
  }
  return logger
}

/** Fastify 4 takes a ready logger as `logger`, Fastify 5 as `loggerInstance`. */
function loggerOption(framework: unknown, logger: Logger): object {
  return framework === fastify ? { loggerInstance: logger } : { logger }
}
