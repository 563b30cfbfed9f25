import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import {
  ConfigurationError,
  type Logger,
  type Receiver,
  type ReceiverOptions,
  type ScrapeNestEvents,
} from '@scrapenest-webhooks/core'
import {
  checkGraceMs,
  checkPath,
  defaultCloseGraceMs,
  type ReadyReceiver,
  type ReceiverOrOptions,
  resolveReceiver,
} from '@scrapenest-webhooks/core/adapter'
import { abandonReply, toWebhookRequest } from '@scrapenest-webhooks/node'
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  HTTPMethods,
  RouteOptions,
} from 'fastify'
import fastifyPlugin from 'fastify-plugin'

export type * from '@scrapenest-webhooks/core'
export {
  ConfigurationError,
  isWebhookError,
  PermanentError,
  RetryLaterError,
  WebhookError,
} from '@scrapenest-webhooks/core'

declare module 'fastify' {
  interface FastifyInstance {
    /** The receiver of ScrapeNest webhooks. Other plugins can add handlers: `app.scrapenest.onEvent(…)`. */
    scrapenest: Receiver<ScrapeNestEvents, FastifyRequest>
  }
}

/** The options of the plugin, in addition to those of the receiver. */
export interface FastifyOptions {
  /** The exact path of the webhook, appended to the `prefix` passed to `register`. Required. */
  readonly path: string
  /**
   * Fastify's own option of `register`.
   * @default '': `path` is the whole path
   */
  readonly prefix?: string | undefined
  /**
   * The name of the decorator that holds the receiver, or `false` for no decorator. A second registration needs another
   * name.
   * @default 'scrapenest': the receiver is `app.scrapenest`
   */
  readonly decorateAs?: string | false | undefined
  /** The log level of the route: Fastify's own option of `register`. @default that of the instance */
  readonly logLevel?: string | undefined
  /** The log serializers of the route: Fastify's own option of `register`. @default those of the instance */
  readonly logSerializers?: object | undefined
}

/**
 * All options of `scrapenestWebhooks`. `register` cannot infer types from options, so schemas must keep the shape of the
 * catalog here. For a schema that transforms `data`, pass a receiver from `createReceiver`.
 */
export type ScrapenestWebhooksOptions = FastifyOptions & ReceiverOrOptions<FastifyRequest>

const fix =
  'Something read the request before Fastify parsed it: a preParsing or onRequest hook, @fastify/middie with express.json(), ' +
  'or a platform such as Firebase. Skip it for the webhook path, or keep the bytes in request.raw.rawBody. ' +
  'NestJS: NestFactory.create(AppModule, adapter, { rawBody: true }).'

/** Other methods get routes too, so that they are answered 405 with `Allow`, as on every other host. */
const otherMethods: readonly HTTPMethods[] = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Receives ScrapeNest webhooks on Fastify 4 or 5.
 *
 * The decorator is visible to the whole application. The parser and the route live in an encapsulated child, so other
 * routes do not change.
 *
 * @throws {ConfigurationError} `configuration_invalid`, from `register`: an option is missing, malformed or unknown, or the
 * route or the decorator already exists.
 *
 * @example
 * await app.register(scrapenestWebhooks, {
 *   path: '/webhooks/scrapenest', secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent: { 'artifact.ready': save },
 * })
 */
export const scrapenestWebhooks: FastifyPluginAsync<ScrapenestWebhooksOptions> = fastifyPlugin(register, {
  name: '@scrapenest-webhooks/fastify',
  fastify: '>=4.28.0 <6',
})

const unchecked = (): void => {}

/** Fastify checks its own options of `register`. */
const adapterOptions = {
  path: checkPath,
  prefix: unchecked,
  decorateAs: unchecked,
  logLevel: unchecked,
  logSerializers: unchecked,
}

async function register(app: FastifyInstance, options: ScrapenestWebhooksOptions): Promise<void> {
  // Called like the other adapters: app.register(scrapenestWebhooks(options)).
  if (options === undefined) {
    throw new ConfigurationError(
      'Pass the plugin and its options separately: await app.register(scrapenestWebhooks, { path, secret, onEvent }).',
    )
  }
  const { path, prefix = '', decorateAs = 'scrapenest' } = options
  const { receiver, isOwned } = resolveReceiver<FastifyRequest>(
    withLoggerOf(app, options as ReceiverOrOptions<FastifyRequest>),
    { adapterOptions },
  )
  decorate(app, decorateAs, receiver)
  if (isOwned) {
    const graceMs = graceWithinPluginTimeout(app, options as Pick<ReceiverOptions<ScrapeNestEvents>, 'closeGraceMs'>)
    app.addHook('onReady', () => receiver.start())
    app.addHook('preClose', () => receiver.close({ graceMs }))
  }
  await app.register(async (child) => addRoute(child, path, receiver), { prefix })
}

/** Uses the application's logger for reports without a request, such as those about an inbox. */
function withLoggerOf(
  app: FastifyInstance,
  source: ReceiverOrOptions<FastifyRequest>,
): ReceiverOrOptions<FastifyRequest> {
  if ('receiver' in source || source.logger !== undefined) return source
  const logger = loggerOf(app)
  return logger === undefined ? source : { ...source, logger }
}

/**
 * Fastify gives up on close hooks after `pluginTimeout`, so closing must take less time. A fifth of it is reserved for
 * other hooks.
 */
function graceWithinPluginTimeout(
  app: FastifyInstance,
  options: Pick<ReceiverOptions<ScrapeNestEvents>, 'closeGraceMs'>,
): number {
  const wanted = checkGraceMs('closeGraceMs', options.closeGraceMs ?? defaultCloseGraceMs)
  const { pluginTimeout = 10_000 } = app.initialConfig
  // 0 means no timeout.
  return pluginTimeout === 0 ? wanted : Math.min(wanted, pluginTimeout * 0.8)
}

function decorate(app: FastifyInstance, name: string | false, receiver: ReadyReceiver<FastifyRequest>): void {
  if (name === false) return
  if (app.hasDecorator(name)) {
    throw new ConfigurationError(
      `app.${name} already exists. If scrapenestWebhooks is registered twice, set decorateAs to another name or to false.`,
    )
  }
  app.decorate(name, receiver)
}

function addRoute(child: FastifyInstance, path: string, receiver: ReadyReceiver<FastifyRequest>): void {
  /** Streams that preParsing hooks substituted for the request. */
  const replacedStreams = new WeakMap<IncomingMessage, Readable>()
  child.removeAllContentTypeParsers()
  // Leaves the body unread and `request.body` undefined, so that application hooks cannot log or copy the body. JSON is
  // listed by name because with `'*'` alone, Fastify compares the content type with every parser.
  child.addContentTypeParser(['application/json', '*'], (request, payload, done) => {
    const stream = payload as unknown as Readable
    if (stream !== request.raw) {
      replacedStreams.set(request.raw, stream)
      // Such a stream, for example a decompressor, may fail before it is read or without being read. Without a listener,
      // the error would end the process.
      stream.on('error', () => {})
    }
    done(null)
  })

  async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { raw } = request
    const delivery = toWebhookRequest(raw, {
      kept: [() => (raw as { rawBody?: unknown }).rawBody],
      stream: replacedStreams.get(raw),
      fix,
      remoteAddress: () => request.ip,
      logger: () => loggerOf(request),
    })
    const { status, headers, body } = await receiver.receive(delivery, request)
    try {
      return reply.code(status).headers(headers).send(body)
    } catch (error) {
      reply.hijack()
      abandonReply(reply.raw, error, receiver)
      return reply
    }
  }

  const route: RouteOptions = {
    method: 'POST',
    url: path,
    // Keeps the route out of the application's API documentation.
    schema: { hide: true } as object,
    // Otherwise fastify-raw-body, if registered for all routes, would read the stream first.
    config: { rawBody: false },
    exposeHeadRoute: false,
    handler: handle,
    errorHandler(error, request, reply) {
      // Fastify 5 refuses a malformed content type before any parser runs, but signatures do not depend on it.
      if (error.code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') throw error
      void handle(request, reply)
    },
  }
  if (!addUnlessTaken(child, route)) {
    throw new ConfigurationError(
      `A POST route already exists at ${child.prefix}${path}. Choose another path for scrapenestWebhooks.`,
    )
  }
  for (const method of otherMethods) addUnlessTaken(child, { ...route, method })
}

/** Adds a route, unless the application already has one with this method and path. Returns whether it did. */
function addUnlessTaken(child: FastifyInstance, route: RouteOptions): boolean {
  try {
    child.route(route)
    return true
  } catch (error) {
    // Not `hasRoute`, which on Fastify 4 also finds matching wildcards.
    if ((error as { code?: unknown }).code === 'FST_ERR_DUPLICATED_ROUTE') return false
    throw error
  }
}

/** If no logger is configured, Fastify uses one that discards everything and has no `level`. */
function loggerOf({ log }: Pick<FastifyInstance, 'log'>): Logger | undefined {
  return 'level' in log ? log : undefined
}
