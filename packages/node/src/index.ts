import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Receiver, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { checkPath, notFoundReply, type ReceiverSource, selfStartingReceiver } from '@scrapenest-webhooks/core/adapter'
import { toWebhookRequest, writeReply } from './capture.ts'

export { type HostFacts, toWebhookRequest, writeReply } from './capture.ts'

export interface NodeOptions {
  /**
   * The exact path to answer at. Other paths go to `next` where there is one (connect, polka), and get 404 otherwise.
   * @default undefined: every request is taken for a delivery
   */
  readonly path?: string | undefined
}

export interface NodeHandler {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
  readonly receiver: Receiver<ScrapeNestEvents, IncomingMessage>
}

/**
 * Receives ScrapeNest webhooks on a bare node:http (or node:http2 compatibility) server.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * createServer(scrapenestWebhooks({ path: '/webhooks/scrapenest', secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent }))
 */
export function scrapenestWebhooks(options: NodeOptions & ReceiverSource<IncomingMessage>): NodeHandler {
  const { path, ...source } = options
  if (path !== undefined) checkPath(path)
  const receiver = selfStartingReceiver<IncomingMessage>(source)

  function handle(request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void {
    if (path !== undefined && pathOf(request.url) !== path) {
      if (next === undefined) writeReply(response, notFoundReply)
      else next()
      return
    }
    void receiver
      .receive(toWebhookRequest(request, factsOf(request)), request)
      .then((reply) => writeReply(response, reply))
  }
  return Object.assign(handle, { receiver })
}

function factsOf(
  request: IncomingMessage & { readonly rawBody?: unknown; readonly body?: unknown },
): Parameters<typeof toWebhookRequest>[1] {
  return {
    captured: [request.rawBody, request.body],
    remoteAddress: request.socket.remoteAddress,
    rawBodyFix:
      'Something read the request before this handler. Call this handler first, or keep the bytes as a Buffer in request.rawBody.',
  }
}

function pathOf(url: string | undefined): string | undefined {
  return url?.split('?', 1)[0]
}
