import type { Readable } from 'node:stream'
import {
  type BodyLimits,
  ConfigurationError,
  type Logger,
  type Receiver,
  type ScrapeNestEvents,
  WebhookError,
  type WebhookHeaders,
  type WebhookRequest,
} from '@scrapenest-webhooks/core'
import { adaptedReceiver, checkPath, type ReceiverSource } from '@scrapenest-webhooks/core/adapter'
import { readNodeStream, wasRead } from '@scrapenest-webhooks/core/node-stream'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** The receiver of ScrapeNest's webhooks: other plugins add their handlers with `app.scrapenest.onEvent(…)`. */
    scrapenest: Receiver<ScrapeNestEvents, FastifyRequest>
  }
}

export interface FastifyOptions {
  /** The exact path to answer at, after the `prefix` given to `register`. */
  readonly path: string
  readonly prefix?: string | undefined
  /**
   * The name under which the instance carries the receiver; `false` for none. A second registration needs another name.
   * @default 'scrapenest'
   */
  readonly decorateAs?: string | false | undefined
  // Fastify's own options of `register`, which it passes on to the plugin.
  readonly logLevel?: string | undefined
  readonly logSerializers?: object | undefined
}

const rawBodyFix =
  'Something read the request before Fastify parsed it: a preParsing or onRequest hook, @fastify/middie with express.json(), ' +
  'or a platform such as Firebase. Skip that for the path of the webhook, or keep the bytes as a Buffer in request.raw.rawBody.'

/** Wrong methods are answered too, so that they get 405 with `Allow` as on every other host. */
const methods: readonly HTTPMethods[] = ['POST', 'GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Receives ScrapeNest webhooks on Fastify 4 or 5.
 *
 * The decorator is visible to the whole application; the parser and the route are not: they live in an encapsulated
 * child, so no other route changes.
 *
 * @throws {ConfigurationError} `configuration_invalid`: from `register`, when the application gets ready.
 *
 * @example
 * await app.register(scrapenestWebhooks, {
 *   path: '/webhooks/scrapenest', secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent: { 'artifact.ready': save },
 * })
 */
export const scrapenestWebhooks: FastifyPluginAsync<FastifyOptions & ReceiverSource<FastifyRequest>> = fastifyPlugin(
  register,
  { name: '@scrapenest-webhooks/fastify', fastify: '>=4.28.0 <6' },
)

async function register(app: FastifyInstance, options: FastifyOptions & ReceiverSource<FastifyRequest>): Promise<void> {
  const { path, prefix = '', decorateAs = 'scrapenest', logLevel: _, logSerializers: __, ...source } = options
  checkPath(path)
  const { receiver, isOwned } = adaptedReceiver<FastifyRequest>(source as ReceiverSource<FastifyRequest>)
  decorate(app, decorateAs, receiver)
  if (isOwned) {
    app.addHook('onReady', () => receiver.start())
    app.addHook('preClose', () => receiver.close())
  }
  await app.register(async (child) => addRoute(child, path, receiver), { prefix })
}

function decorate(
  app: FastifyInstance,
  name: string | false,
  receiver: Receiver<ScrapeNestEvents, FastifyRequest>,
): void {
  if (name === false) return
  if (app.hasDecorator(name)) {
    throw new ConfigurationError(
      `app.${name} is taken. Give a second registration of scrapenestWebhooks its own decorateAs, or false.`,
    )
  }
  app.decorate(name, receiver)
}

function addRoute(child: FastifyInstance, path: string, receiver: Receiver<ScrapeNestEvents, FastifyRequest>): void {
  child.removeAllContentTypeParsers()
  // The stream itself becomes `request.body`: it is read when the headers have passed, and not by Fastify.
  // JSON by name as well: for `'*'` alone Fastify compares the content type with every parser it knows, each time.
  child.addContentTypeParser(['application/json', '*'], (_request, payload, done) => done(null, payload))
  child.route({
    method: methods.filter((method) => !child.hasRoute({ method, url: `${child.prefix}${path}` })),
    url: path,
    // fastify-raw-body, where it is registered for all routes, would read the stream before us.
    config: { rawBody: false },
    exposeHeadRoute: false,
    handler: (request, reply) => handle(request, reply, receiver),
    errorHandler(error, request, reply) {
      // Fastify 5 refuses a content type that is no media type before any parser is asked; a signature does not care.
      if (error.code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') throw error
      handle(request, reply, receiver)
    },
  })
}

function handle(
  request: FastifyRequest,
  reply: FastifyReply,
  receiver: Receiver<ScrapeNestEvents, FastifyRequest>,
): void {
  // Not an async handler: Fastify would wait for its promise a second time. `receive` never rejects.
  void receiver
    .receive(new FastifyDelivery(request), request)
    .then(({ status, headers, body }) => reply.code(status).headers(headers).send(body))
}

/** Fastify's request as a receiver takes it; a class, because getters of an object literal are made anew for each. */
class FastifyDelivery implements WebhookRequest {
  readonly method: string
  readonly url: string
  readonly headers: WebhookHeaders
  readonly #request: FastifyRequest

  constructor(request: FastifyRequest) {
    this.method = request.method
    this.url = request.url
    this.headers = request.headers
    this.#request = request
  }

  body(limits: BodyLimits): Uint8Array | Promise<Uint8Array> {
    return captureBody(this.#request, limits)
  }

  get remoteAddress(): string {
    return this.#request.ip
  }

  /** `Fastify()` without a logger has one that says nothing, told by its lack of a level: then the receiver's own speaks. */
  get logger(): Logger | undefined {
    const { log } = this.#request
    return 'level' in log ? log : undefined
  }
}

function captureBody(request: FastifyRequest, limits: BodyLimits): Uint8Array | Promise<Uint8Array> {
  const { rawBody }: { rawBody?: unknown } = request.raw as object
  if (ArrayBuffer.isView(rawBody)) return rawBody as Uint8Array
  // Without a content type and a body Fastify calls no parser. A preParsing hook may have replaced the stream.
  const stream = (request.body ?? request.raw) as Readable
  if (wasRead(stream) || stream.readableEncoding !== null) throw new WebhookError('raw_body_unavailable', rawBodyFix)
  return readNodeStream(stream, limits)
}
