import type { IncomingMessage } from 'node:http'
import {
  ConfigurationError,
  errorReply,
  type Receiver,
  type ScrapeNestEvents,
  type WebhookReply,
} from '@scrapenest-webhooks/core'
import {
  checkPath,
  processWarnings,
  type ReceiverSource,
  selfStartingReceiver,
} from '@scrapenest-webhooks/core/adapter'
import { type HostFacts, toWebhookRequest } from '@scrapenest-webhooks/node'

export interface KoaOptions {
  /**
   * The exact path to answer at, relative to where the middleware is mounted. Other paths go on to the next middleware.
   * @default undefined: the middleware must be mounted on a route or a prefix
   */
  readonly path?: string | undefined
}

/** The members of Koa 2's and 3's context that are used, so that no version of @types/koa is needed. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly request: { readonly req: IncomingMessage; readonly body?: unknown; readonly rawBody?: unknown }
  readonly path: string
  readonly ip: string
  status: number
  body: unknown
  set(name: string, value: string): void
}

export interface KoaMiddleware {
  (ctx: KoaContext, next: () => Promise<unknown>): Promise<unknown>
  readonly receiver: Receiver<ScrapeNestEvents, KoaContext>
}

const rawBodyFix =
  'A body parser ran before the webhook and kept no bytes. Either register the webhook above it, or let it keep them: ' +
  'koa-body needs { includeUnparsed: true }; @koa/bodyparser and koa-bodyparser keep ctx.request.rawBody by themselves.'

const globalMount =
  'scrapenestWebhooks is used for every request and has no path. Give it a path, or mount it on a route: ' +
  "app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', … })) or router.post('/webhooks/scrapenest', scrapenestWebhooks({ … }))."

/**
 * Receives ScrapeNest webhooks on Koa 2 or 3.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent }))
 */
export function scrapenestWebhooks(options: KoaOptions & ReceiverSource<KoaContext>): KoaMiddleware {
  const { path, ...source } = options
  if (path !== undefined) checkPath(path)
  const receiver = selfStartingReceiver<KoaContext>(source)

  function handle(ctx: KoaContext, next: () => Promise<unknown>): Promise<unknown> {
    if (path === undefined && !isMounted(ctx)) {
      processWarnings.error({ code: 'configuration_invalid' }, globalMount)
      return Promise.resolve(write(ctx, errorReply(new ConfigurationError(globalMount))))
    }
    if (path !== undefined && ctx.path !== path) return next()
    return receiver.receive(toWebhookRequest(ctx.req, new KoaFacts(ctx)), ctx).then((reply) => write(ctx, reply))
  }
  return Object.assign(handle, { receiver })
}

function write(ctx: KoaContext, reply: WebhookReply): void {
  ctx.status = reply.status
  for (const name in reply.headers) ctx.set(name, reply.headers[name] as string)
  ctx.body = reply.body
}

class KoaFacts implements HostFacts {
  readonly rawBodyFix: string = rawBodyFix
  readonly #ctx: KoaContext

  constructor(ctx: KoaContext) {
    this.#ctx = ctx
  }

  get captured(): readonly unknown[] {
    const { req, request } = this.#ctx
    const { rawBody, body }: { readonly rawBody?: unknown; readonly body?: unknown } = req as object
    // Firebase and its like keep bytes on Node's request; Koa's parsers keep text on Koa's.
    return [rawBody, body, request.rawBody]
  }

  get remoteAddress(): string | undefined {
    const { ip } = this.#ctx
    return ip === '' ? undefined : ip
  }
}

/** Whether a router or a mount chose this middleware: koa-router, koa-route and koa-mount each leave their mark. */
function isMounted(ctx: object): boolean {
  return '_matchedRoute' in ctx || 'routePath' in ctx || ('mountPath' in ctx && Boolean(ctx.mountPath))
}
