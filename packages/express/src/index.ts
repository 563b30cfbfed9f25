import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConfigurationError, errorReply, type Receiver, type ScrapeNestEvents } from '@scrapenest-webhooks/core'
import {
  checkPath,
  processWarnings,
  type ReceiverSource,
  selfStartingReceiver,
} from '@scrapenest-webhooks/core/adapter'
import { type HostFacts, toWebhookRequest, writeReply } from '@scrapenest-webhooks/node'

export interface ExpressOptions {
  /**
   * The exact path to answer at, relative to where the middleware is mounted. Other paths go on to the next middleware.
   * @default undefined: the middleware must be mounted on a route or a prefix
   */
  readonly path?: string | undefined
}

/** The members of Express 4's and 5's request that are used, so that no version of @types/express is needed. */
export interface ExpressRequest extends IncomingMessage {
  readonly path: string
  readonly baseUrl: string
  readonly ip?: string | undefined
  readonly route?: unknown
  readonly body?: unknown
}

export interface ExpressMiddleware {
  (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void): void
  readonly receiver: Receiver<ScrapeNestEvents, ExpressRequest>
}

const rawBodyFix =
  'A body parser (usually express.json()) ran before the webhook. Either mount the webhook above it, or let it keep the bytes: ' +
  "express.json({ verify: captureRawBody }) with captureRawBody from '@scrapenest-webhooks/express'."

const globalMount =
  'scrapenestWebhooks is mounted for every request and has no path. Give it a path, or mount it on a route: ' +
  "app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', … })) or app.post('/webhooks/scrapenest', scrapenestWebhooks({ … }))."

/**
 * Receives ScrapeNest webhooks on Express 4 or 5.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * app.use(scrapenestWebhooks({ path: '/webhooks/scrapenest', secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent }))
 */
export function scrapenestWebhooks(options: ExpressOptions & ReceiverSource<ExpressRequest>): ExpressMiddleware {
  const { path, ...source } = options
  if (path !== undefined) checkPath(path)
  const receiver = selfStartingReceiver<ExpressRequest>(source)

  function handle(request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void): void {
    if (path === undefined && request.route === undefined && request.baseUrl === '') {
      processWarnings.error({ code: 'configuration_invalid' }, globalMount)
      writeReply(response, errorReply(new ConfigurationError(globalMount)))
      return
    }
    if (path !== undefined && request.path !== path) {
      next()
      return
    }
    void receiver
      .receive(toWebhookRequest(request, new ExpressFacts(request)), request)
      .then((reply) => writeReply(response, reply))
  }
  return Object.assign(handle, { receiver })
}

/**
 * Keeps the bytes that a body parser is about to parse: for the `verify` option of `express.json()` and its like, in an
 * application whose parser cannot come after the webhook.
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

class ExpressFacts implements HostFacts {
  readonly rawBodyFix: string = rawBodyFix
  readonly #request: ExpressRequest & { readonly rawBody?: unknown }

  constructor(request: ExpressRequest) {
    this.#request = request
  }

  get captured(): readonly unknown[] {
    // express.raw and express.text leave what they read in `body`; a parsed object there is ignored.
    return [this.#request.rawBody, this.#request.body]
  }

  get remoteAddress(): string | undefined {
    return this.#request.ip
  }
}
