import type { IncomingMessage } from 'node:http'
import {
  ConfigurationError,
  type EventSchemas,
  type Receiver,
  type ReceiverOptions,
  type SchemaOutputs,
  type ScrapeNestEvents,
  type WebhookReply,
} from '@scrapenest-webhooks/core'
import {
  checkOptionalPath,
  closingConnection,
  errorReply,
  type ReadyReceiver,
  type ReceiverOrOptions,
  resolveReceiver,
  type WithReceiver,
} from '@scrapenest-webhooks/core/adapter'
import { type HostDetails, pathOf, pathTwice, registeredTwice, toWebhookRequest } from '@scrapenest-webhooks/node'
import { isRegisteredTwice, remember } from './registered-twice.ts'

export type * from '@scrapenest-webhooks/core'
export {
  ConfigurationError,
  isWebhookError,
  PermanentError,
  RetryLaterError,
  WebhookError,
} from '@scrapenest-webhooks/core'

/** The options of the middleware, in addition to those of the receiver. */
export interface KoaOptions {
  /**
   * The exact path of the webhook, relative to the mount. Requests for other paths go to the next middleware.
   * @default undefined: the middleware must be mounted on a route or a prefix
   */
  readonly path?: string | undefined
}

/** All options of `scrapenestWebhooks`. */
export type ScrapenestWebhooksOptions<Schemas = object> = KoaOptions &
  (ReceiverOptions<ScrapeNestEvents, KoaContext, Schemas> | WithReceiver<ReadyReceiver<KoaContext>>)

/** The members of a Koa 2 or 3 context that this package uses. Keeps it independent of @types/koa. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly request: { readonly req: IncomingMessage; readonly body?: unknown; readonly rawBody?: unknown }
  readonly path: string
  readonly originalUrl: string
  readonly ip: string
  status: number
  body: unknown
  set(name: string, value: string): void
}

/** Koa middleware that carries its receiver. */
export interface KoaMiddleware<Ready = Receiver<ScrapeNestEvents, KoaContext>> {
  (ctx: KoaContext, next: () => Promise<unknown>): Promise<unknown>
  /** The receiver behind the middleware. Add handlers with `receiver.onEvent`; close it when the server stops. */
  readonly receiver: Ready
}

const fix =
  'A body parser ran before the webhook and did not keep the bytes. Register the webhook first, or make the parser keep them: ' +
  'koa-body needs { includeUnparsed: true }; @koa/bodyparser and koa-bodyparser keep ctx.request.rawBody by default.'

const globalMount =
  'scrapenestWebhooks runs for every request and has no path. Set its path, or mount it on a route: ' +
  "app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', … })) or router.post('/webhooks/scrapenest', scrapenestWebhooks({ … }))."

/** The same with a ready receiver, which it neither starts nor closes. Other options of a receiver are refused. */
export function scrapenestWebhooks<Ready extends ReadyReceiver<KoaContext>>(
  options: KoaOptions & WithReceiver<Ready>,
): KoaMiddleware<Ready>
/**
 * Receives ScrapeNest webhooks on Koa 2 or 3.
 *
 * @returns middleware that sends the reply, or calls `next` for other paths.
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent }))
 */
export function scrapenestWebhooks<Schemas extends EventSchemas<ScrapeNestEvents> = Record<never, never>>(
  options: KoaOptions & ReceiverOptions<ScrapeNestEvents, KoaContext, Schemas>,
): KoaMiddleware<Receiver<SchemaOutputs<ScrapeNestEvents, Schemas>, KoaContext>>
export function scrapenestWebhooks(options: KoaOptions & object): KoaMiddleware<ReadyReceiver<KoaContext>> {
  // The overloads check the types of the options.
  const { receiver } = resolveReceiver(options as ReceiverOrOptions<KoaContext>, {
    startedBy: 'next turn',
    adapterOptions: { path: checkOptionalPath },
  })
  const { path } = options
  let isChecked = false

  async function handle(ctx: KoaContext, next: () => Promise<unknown>): Promise<unknown> {
    if (path === undefined && !isMounted(ctx)) {
      const error = new ConfigurationError(globalMount)
      receiver.report?.(error)
      return write(ctx, closingConnection(errorReply(error)))
    }
    if (path !== undefined && ctx.path !== path) {
      // `path` repeats the mount path, so no delivery can match. Reported once, then counted.
      if (pathOf(ctx.originalUrl) === path) receiver.report?.(pathTwice(path))
      return await next()
    }
    if (!isChecked) {
      isChecked = true
      if (isRegisteredTwice(ctx, ctx.path)) receiver.report?.(registeredTwice(ctx.path))
    }
    return write(ctx, await receiver.receive(toWebhookRequest(ctx.req, detailsOf(ctx)), ctx))
  }
  remember(handle, path)
  return Object.assign(handle, { receiver })
}

function write(ctx: KoaContext, reply: WebhookReply): void {
  ctx.status = reply.status
  for (const [name, value] of Object.entries(reply.headers)) ctx.set(name, value)
  ctx.body = reply.body
}

function detailsOf(ctx: KoaContext): HostDetails {
  const request: { readonly rawBody?: unknown; readonly body?: unknown } = ctx.req as object
  const parsed = ctx.request
  return {
    kept: [
      // Firebase and similar platforms keep bytes on Node's request. Koa's parsers keep text on Koa's request.
      () => request.rawBody,
      () => request.body,
      () => (request.body as Record<symbol, unknown> | undefined)?.[koaBodyText],
      () => parsed.rawBody,
      () => (parsed.body as Record<symbol, unknown> | undefined)?.[koaBodyText],
    ],
    remoteAddress: () => ctx.ip || undefined,
    fix,
  }
}

/** Where koa-body 4 to 6 keep the text if `includeUnparsed` is set. */
const koaBodyText = Symbol.for('unparsedBody')

/** Whether a router or a mount chose this middleware. koa-router, koa-route and koa-mount each set a property. */
function isMounted(ctx: object): boolean {
  return '_matchedRoute' in ctx || 'routePath' in ctx || ('mountPath' in ctx && Boolean(ctx.mountPath))
}
