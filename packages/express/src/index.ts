import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  ConfigurationError,
  type EventSchemas,
  type Receiver,
  type ReceiverOptions,
  type SchemaOutputs,
  type ScrapeNestEvents,
} from '@scrapenest-webhooks/core'
import {
  checkOptionalPath,
  closingConnection,
  errorReply,
  notFoundReply,
  type ReadyReceiver,
  type ReceiverOrOptions,
  resolveReceiver,
  type WithReceiver,
} from '@scrapenest-webhooks/core/adapter'
import {
  type HostDetails,
  pathOf,
  pathTwice,
  registeredTwice,
  toWebhookRequest,
  writeReply,
} from '@scrapenest-webhooks/node'
import { findSecondRegistration, remember } from './registered-twice.ts'

export type * from '@scrapenest-webhooks/core'
export {
  ConfigurationError,
  isWebhookError,
  PermanentError,
  RetryLaterError,
  WebhookError,
} from '@scrapenest-webhooks/core'

/** The options of the middleware, in addition to those of the receiver. */
export interface ExpressOptions {
  /**
   * The exact path of the webhook, relative to the mount. Requests for other paths go to the next middleware.
   * @default undefined: the middleware must be mounted on a route or a prefix
   */
  readonly path?: string | undefined
}

/** All options of `scrapenestWebhooks`. */
export type ScrapenestWebhooksOptions<Schemas = object> = ExpressOptions &
  (ReceiverOptions<ScrapeNestEvents, ExpressRequest, Schemas> | WithReceiver<ReadyReceiver<ExpressRequest>>)

/** The members of an Express 4 or 5 request that this package uses. Keeps it independent of @types/express. */
export interface ExpressRequest extends IncomingMessage {
  readonly path: string
  readonly baseUrl: string
  readonly originalUrl: string
  readonly ip?: string | undefined
  readonly route?: unknown
  readonly body?: unknown
}

/** Express middleware that carries its receiver. */
export interface ExpressMiddleware<Ready = Receiver<ScrapeNestEvents, ExpressRequest>> {
  /** @param next absent if a functions framework calls the middleware as a handler. */
  (request: ExpressRequest, response: ServerResponse, next?: (error?: unknown) => void): Promise<void>
  /** The receiver behind the middleware. Add handlers with `receiver.onEvent`; close it when the server stops. */
  readonly receiver: Ready
}

const fix =
  'A body parser (usually express.json()) ran before the webhook. Mount the webhook first, or make every parser keep ' +
  "the bytes: express.json({ verify: captureRawBody }) with captureRawBody from '@scrapenest-webhooks/express'. NestJS: NestFactory.create(AppModule, { rawBody: true })."

const globalMount =
  'scrapenestWebhooks runs for every request and has no path. Set its path, or mount it on a route: ' +
  "app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', … })) or app.post('/webhooks/scrapenest', scrapenestWebhooks({ … }))."

/** The same with a ready receiver, which it neither starts nor closes. Other options of a receiver are refused. */
export function scrapenestWebhooks<Ready extends ReadyReceiver<ExpressRequest>>(
  options: ExpressOptions & WithReceiver<Ready>,
): ExpressMiddleware<Ready>
/**
 * Receives ScrapeNest webhooks on Express 4 or 5.
 *
 * @returns middleware whose promise settles once the reply has been written.
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent }))
 */
export function scrapenestWebhooks<Schemas extends EventSchemas<ScrapeNestEvents> = Record<never, never>>(
  options: ExpressOptions & ReceiverOptions<ScrapeNestEvents, ExpressRequest, Schemas>,
): ExpressMiddleware<Receiver<SchemaOutputs<ScrapeNestEvents, Schemas>, ExpressRequest>>
export function scrapenestWebhooks(options: ExpressOptions & object): ExpressMiddleware<ReadyReceiver<ExpressRequest>> {
  // The overloads check the types of the options.
  const { receiver } = resolveReceiver(options as ReceiverOrOptions<ExpressRequest>, {
    startedBy: 'next turn',
    adapterOptions: { path: checkOptionalPath },
  })
  const { path } = options
  let isChecked = false

  function reportSecond(request: ExpressRequest): void {
    isChecked = true
    const twice = findSecondRegistration(request)
    if (twice !== undefined) receiver.report?.(registeredTwice(twice))
  }

  async function handle(
    request: ExpressRequest,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ): Promise<void> {
    if (path === undefined && isGlobalMount(request, next)) {
      const error = new ConfigurationError(globalMount)
      receiver.report?.(error)
      writeReply(response, closingConnection(errorReply(error)), receiver)
      return
    }
    if (path !== undefined && pathWithin(request) !== path) {
      // `path` repeats the mount path, so no delivery can match. Reported once, then counted.
      if (pathOf(request.originalUrl) === path) receiver.report?.(pathTwice(path))
      if (next === undefined) writeReply(response, notFoundReply, receiver)
      else next()
      return
    }
    if (!isChecked) reportSecond(request)
    writeReply(response, await receiver.receive(toWebhookRequest(request, detailsOf(request)), request), receiver)
  }
  remember(handle, path)
  return Object.assign(handle, { receiver })
}

/**
 * Keeps the raw bytes in `request.rawBody`. Pass it as the `verify` option of `express.json()` and every other body parser
 * that runs before the webhook.
 *
 * @example
 * app.use(express.json({ verify: captureRawBody }))
 */
export function captureRawBody(
  request: IncomingMessage & { rawBody?: unknown },
  _response: unknown,
  bytes: Uint8Array,
): void {
  request.rawBody = bytes
}

/** The path within the mount. Other frameworks that run Express middleware set no `path`. */
function pathWithin({ path, url }: Partial<ExpressRequest>): string | undefined {
  return path ?? pathOf(url)
}

/** A functions framework passes no `next`. Like a route, it has already chosen this handler. */
function isGlobalMount({ route, baseUrl }: ExpressRequest, next: unknown): boolean {
  return next !== undefined && route === undefined && baseUrl === ''
}

function detailsOf(request: ExpressRequest & { readonly rawBody?: unknown }): HostDetails {
  return {
    // express.raw and express.text leave the body in `body`.
    kept: [() => request.rawBody, () => request.body],
    remoteAddress: () => request.ip,
    fix,
  }
}
