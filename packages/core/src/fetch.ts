import { checkHooks, checkOptionalPath } from './check.ts'
import { ConfigurationError } from './errors.ts'
import type { EventSchemas, SchemaOutputs, ScrapeNestEvents } from './events.ts'
import { readWebBody } from './receive/body.ts'
import type { ReceiverOptions } from './receive/options.ts'
import type { Receiver } from './receive/receiver.ts'
import { notFoundReply, type WebhookReply } from './receive/reply.ts'
import { readHost, type WebhookRequest } from './receive/request.ts'
import {
  type ReadyReceiver,
  type ReceiverOrOptions,
  resolveReceiver,
  type WithReceiver,
} from './receive/resolve-receiver.ts'

export type * from './index.ts'

/** @typeParam Context the second argument of the handler. */
export interface FetchOptions<Context = unknown> {
  /**
   * The exact path of the webhook. Other paths get 404.
   * @default undefined: every request is treated as a delivery, because a router has already chosen this handler
   */
  readonly path?: string | undefined
  /**
   * Returns the client's address, which a `Request` does not carry. Required by `allowedSources`.
   * @default undefined: the address is unknown, and logs and outcomes do not show it
   */
  readonly remoteAddress?: ((request: Request, context: Context) => string | undefined) | undefined
}

/** All options of `scrapenestWebhooks`. */
export type ScrapenestWebhooksOptions<Context = unknown, Schemas = object> = FetchOptions<Context> &
  (ReceiverOptions<ScrapeNestEvents, Context, Schemas> | WithReceiver<ReadyReceiver<Context>>)

/**
 * Answers one request. Never rejects.
 *
 * @param context passed to event handlers as `delivery.context`. Default: the request.
 * @throws {ConfigurationError} `configuration_invalid`: the request is not a `Request`. Thrown at once, not as a rejection.
 */
export interface FetchHandler<Context = unknown, Ready = Receiver<ScrapeNestEvents, Context>> {
  (request: Request, ...context: Request extends Context ? [context?: Context] : [context: Context]): Promise<Response>
  /** The receiver behind the handler. Add handlers with `receiver.onEvent`; close it when the server stops. */
  readonly receiver: Ready
}

/**
 * Receives ScrapeNest webhooks on a fetch-style server on Node, such as Hono or a Next.js route handler.
 *
 * Creating the handler opens nothing, because bundlers import routes at build time. The receiver starts with the first
 * request or with `receiver.start()`. An unset secret is reported then, too.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is malformed or unknown, or contradicts another.
 *
 * @example
 * const webhooks = scrapenestWebhooks({ secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent })
 * app.all('/webhooks/scrapenest', (c) => webhooks(c.req.raw, c))
 */
// The overloads type the context and the receiver. The implementation only passes them through.
export const scrapenestWebhooks: ScrapenestWebhooks = createFetchHandler as ScrapenestWebhooks

/** The overloads of `scrapenestWebhooks`: with a ready receiver, or with the options of one. */
export interface ScrapenestWebhooks {
  <Context = unknown, Ready extends ReadyReceiver<Context> = ReadyReceiver<Context>>(
    options: FetchOptions<Context> & WithReceiver<Ready>,
  ): FetchHandler<Context, Ready>
  <Context = unknown, Schemas extends EventSchemas<ScrapeNestEvents> = Record<never, never>>(
    options: FetchOptions<Context> & ReceiverOptions<ScrapeNestEvents, Context, Schemas>,
  ): FetchHandler<Context, Receiver<SchemaOutputs<ScrapeNestEvents, Schemas>, Context>>
}

function createFetchHandler(
  options: FetchOptions & ReceiverOrOptions<unknown>,
): FetchHandler<unknown, ReadyReceiver<unknown>> {
  const { receiver, isOwned } = resolveReceiver<unknown>(options, {
    reportUnsetSecret: 'late',
    adapterOptions: {
      path: checkOptionalPath,
      remoteAddress: (value) => checkHooks({ remoteAddress: value }, ['remoteAddress']),
    },
  })
  const { path, remoteAddress } = options
  if ('allowedSources' in options && options.allowedSources !== undefined && remoteAddress === undefined) {
    throw new ConfigurationError(
      'allowedSources needs the client address. Also set `remoteAddress: (request, context) => …`.',
    )
  }

  function handle(request: Request, context: unknown = request): Promise<Response> {
    // On another host, no one would write the Response, and the sender would wait. Express 4 handles what is thrown, but
    // a rejection would end the process.
    if (typeof request?.headers?.get !== 'function') {
      throw new ConfigurationError(
        "Expected a Request. In Hono, pass c.req.raw. On Express, Koa, Fastify and node:http, import scrapenestWebhooks from that server's own package, such as '@scrapenest-webhooks/express'.",
      )
    }
    return answer(request, context)
  }

  async function answer(request: Request, context: unknown): Promise<Response> {
    if (path !== undefined && new URL(request.url).pathname !== path) return respond(notFoundReply)
    // Idempotent. The receiver reports a failed start, and the delivery gets its own reply.
    if (isOwned) void receiver.start().catch(() => {})
    const delivery: WebhookRequest = {
      method: request.method,
      url: request.url,
      headers: request.headers,
      body: (limits) => readWebBody(request, limits),
      remoteAddress: readHost(() => remoteAddress?.(request, context)),
    }
    return respond(await receiver.receive(delivery, context))
  }
  return Object.assign(handle, { receiver })
}

function respond({ status, headers, body }: WebhookReply): Response {
  return new Response(body, { status, headers })
}
