import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createReceiver, type Logger, type WebhookEvent } from '@scrapenest-webhooks/core'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import fastify, { type FastifyInstance } from 'fastify'
import rawBody from 'fastify-raw-body'
import fastify4 from 'fastify4'
import { afterEach, describe, expect, it } from 'vitest'
import { scrapenestWebhooks } from '../src/index.ts'

const secret = generateSecret()
const path = '/webhooks/scrapenest'
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
  it('brings a typed event to its handler through inject', async () => {
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

  it('takes a second registration under another name, and says clearly when the name is taken', async () => {
    const app = keep(framework())
    const other = generateSecret()
    await app.register(scrapenestWebhooks, { path, secret })
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

  it('refuses to become ready without a secret, and says what to do', async () => {
    const app = keep(framework())
    await expect(
      (async () => await app.register(scrapenestWebhooks, { path, secret: undefined }))(),
    ).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringContaining('SCRAPENEST_WEBHOOK_SECRET'),
    })
  })

  it('does not start and not close a receiver that was made elsewhere', async () => {
    const app = framework()
    const receiver = createReceiver({ secret })
    await app.register(scrapenestWebhooks, { path, receiver })
    expect((await inject(app)).statusCode).toBe(202)
    await app.close()
    const delivery = signDelivery(createEvent('job.created'), { secret })
    const reply = await receiver.receive({ ...delivery, body: async () => delivery.body })
    expect(reply.body).toBe('{"status":"accepted"}')
  })

  it('drains before it closes: a running handler ends, and its delivery is answered', async () => {
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

  it('leaves a route of the application at the same path alone', async () => {
    const app = keep(framework())
    app.get(path, async () => 'webhooks live here')
    await app.register(scrapenestWebhooks, { path, secret })
    expect((await app.inject(path)).body).toBe('webhooks live here')
    expect((await inject(app)).statusCode).toBe(202)
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

  it('takes the client address that trustProxy finds', async () => {
    const app = keep(framework({ trustProxy: true }))
    await app.register(scrapenestWebhooks, { path, secret, allowedSources: ['192.0.2.0/24'] })
    const { headers, body } = signDelivery(createEvent('job.created'), { secret })
    const from = (address: string) =>
      app.inject({ method: 'POST', url: path, headers: { ...headers, 'x-forwarded-for': address }, payload: body })
    expect((await from('192.0.2.7')).statusCode).toBe(202)
    expect((await from('198.51.100.1')).body).toBe('{"error":"source_not_allowed"}')
  })
})

it('reads its own bytes where fastify-raw-body is registered for all routes', async () => {
  const app = keep(fastify())
  await app.register(rawBody, { global: true })
  await app.register(scrapenestWebhooks, { path, secret })
  expect((await inject(app)).statusCode).toBe(202)
})

it('receives over HTTP/2, and closes no connection that carries other streams', async () => {
  const seen: WebhookEvent[] = []
  const app = keep(fastify({ http2: true }))
  await app.register(scrapenestWebhooks, { path, secret, onEvent: { '*': (event) => seen.push(event) } })
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
