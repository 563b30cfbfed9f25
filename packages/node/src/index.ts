import type { IncomingMessage, ServerResponse } from 'node:http'
import type {
  EventSchemas,
  Receiver,
  ReceiverOptions,
  SchemaOutputs,
  ScrapeNestEvents,
} from '@scrapenest-webhooks/core'
import {
  checkPath,
  notFoundReply,
  type ReadyReceiver,
  type ReceiverOrOptions,
  resolveReceiver,
  type WithReceiver,
} from '@scrapenest-webhooks/core/adapter'
import { type HostDetails, pathOf, toWebhookRequest, writeReply } from './host-request.ts'

export type * from '@scrapenest-webhooks/core'
export {
  ConfigurationError,
  isWebhookError,
  PermanentError,
  RetryLaterError,
  WebhookError,
} from '@scrapenest-webhooks/core'
export { abandonReply, type HostDetails, pathOf, pathTwice, toWebhookRequest, writeReply } from './host-request.ts'
export { type BodySource, readRawBody } from './read-body.ts'

export interface NodeOptions {
  /**
   * The exact path to answer at. Other paths go to `next` if there is one (connect, polka), and get 404 otherwise.
   * @default undefined: every request is a delivery
   */
  readonly path?: string | undefined
}

/** All options of `scrapenestWebhooks`. */
export type ScrapenestWebhooksOptions<Schemas = object> = NodeOptions &
  (ReceiverOptions<ScrapeNestEvents, IncomingMessage, Schemas> | WithReceiver<ReadyReceiver<IncomingMessage>>)

export interface NodeHandler<Ready = Receiver<ScrapeNestEvents, IncomingMessage>> {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): Promise<void>
  readonly receiver: Ready
}

/**
 * Receives ScrapeNest webhooks on a bare node:http server, or the compatibility layer of node:http2.
 *
 * @returns a request listener whose promise settles when the reply has been written.
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * const secret = process.env.SCRAPENEST_WEBHOOK_SECRET
 * createServer(scrapenestWebhooks({ path: '/webhooks/scrapenest', secret, onEvent }))
 */
export function scrapenestWebhooks<Ready extends ReadyReceiver<IncomingMessage>>(
  options: NodeOptions & WithReceiver<Ready>,
): NodeHandler<Ready>
export function scrapenestWebhooks<Schemas extends EventSchemas<ScrapeNestEvents> = Record<never, never>>(
  options: NodeOptions & ReceiverOptions<ScrapeNestEvents, IncomingMessage, Schemas>,
): NodeHandler<Receiver<SchemaOutputs<ScrapeNestEvents, Schemas>, IncomingMessage>>
export function scrapenestWebhooks(options: NodeOptions & object): NodeHandler<ReadyReceiver<IncomingMessage>> {
  const { path, ...source } = options
  if (path !== undefined) checkPath(path)
  // The overloads have checked the rest of the options.
  const { receiver } = resolveReceiver(source as ReceiverOrOptions<IncomingMessage>, { startedBy: 'next turn' })

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ): Promise<void> {
    if (path !== undefined && pathOf(request.url) !== path) {
      if (next === undefined) writeReply(response, notFoundReply, receiver)
      else next()
      return
    }
    writeReply(response, await receiver.receive(toWebhookRequest(request, detailsOf(request)), request), receiver)
  }
  return Object.assign(handle, { receiver })
}

function detailsOf(request: IncomingMessage & { readonly rawBody?: unknown; readonly body?: unknown }): HostDetails {
  return {
    kept: [() => request.rawBody, () => request.body],
    remoteAddress: () => request.socket.remoteAddress,
    fix: 'Something read the request before this handler. Call this handler first, or keep the bytes in request.rawBody.',
  }
}
