import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type {
  EventSchemas,
  Receiver,
  ReceiverOptions,
  SchemaOutputs,
  ScrapeNestEvents,
} from '@scrapenest-webhooks/core'
import {
  checkOptionalPath,
  notFoundReply,
  type ReadyReceiver,
  type ReceiverOrOptions,
  resolveReceiver,
  type WithReceiver,
} from '@scrapenest-webhooks/core/adapter'
import { type HostDetails, pathOf, registeredTwice, toWebhookRequest, writeReply } from './host-request.ts'

export type * from '@scrapenest-webhooks/core'
export {
  ConfigurationError,
  isWebhookError,
  PermanentError,
  RetryLaterError,
  WebhookError,
} from '@scrapenest-webhooks/core'
export {
  abandonReply,
  type HostDetails,
  pathOf,
  pathTwice,
  registeredTwice,
  toWebhookRequest,
  writeReply,
} from './host-request.ts'
export { type BodySource, readRawBody } from './read-body.ts'

/** The options of the handler, in addition to those of the receiver. */
export interface NodeOptions {
  /**
   * The exact path of the webhook. Requests for other paths go to `next` if there is one (connect, polka); otherwise they
   * get 404.
   * @default undefined: every request is treated as a delivery
   */
  readonly path?: string | undefined
}

/** All options of `scrapenestWebhooks`. */
export type ScrapenestWebhooksOptions<Schemas = object> = NodeOptions &
  (ReceiverOptions<ScrapeNestEvents, IncomingMessage, Schemas> | WithReceiver<ReadyReceiver<IncomingMessage>>)

/** A request listener that carries its receiver. */
export interface NodeHandler<Ready = Receiver<ScrapeNestEvents, IncomingMessage>> {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): Promise<void>
  /** The receiver behind the handler. Add handlers with `receiver.onEvent`; close it when the server stops. */
  readonly receiver: Ready
}

/** The same with a ready receiver, which it neither starts nor closes. Other options of a receiver are refused. */
export function scrapenestWebhooks<Ready extends ReadyReceiver<IncomingMessage>>(
  options: NodeOptions & WithReceiver<Ready>,
): NodeHandler<Ready>
/**
 * Receives ScrapeNest webhooks on a bare node:http server or on node:http2's compatibility API.
 *
 * @returns a request listener whose promise settles once the reply has been written.
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const secret = process.env.SCRAPENEST_WEBHOOK_SECRET
 * createServer(scrapenestWebhooks({ path: '/webhooks/scrapenest', secret, onEvent }))
 */
export function scrapenestWebhooks<Schemas extends EventSchemas<ScrapeNestEvents> = Record<never, never>>(
  options: NodeOptions & ReceiverOptions<ScrapeNestEvents, IncomingMessage, Schemas>,
): NodeHandler<Receiver<SchemaOutputs<ScrapeNestEvents, Schemas>, IncomingMessage>>
export function scrapenestWebhooks(options: NodeOptions & object): NodeHandler<ReadyReceiver<IncomingMessage>> {
  // The overloads check the types of the options.
  const { receiver } = resolveReceiver(options as ReceiverOrOptions<IncomingMessage>, {
    startedBy: 'next turn',
    adapterOptions: { path: checkOptionalPath },
  })
  const { path } = options
  /** Whether an earlier listener of the same server answers at this path. Known after the first delivery. */
  let isSecond = true

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
    if (isSecond) isSecond = earlierListeners(request, handle).some((one) => handlers.get(one)?.path === path)
    if (isSecond) {
      receiver.report?.(registeredTwice(path ?? 'every path'))
      return
    }
    writeReply(response, await receiver.receive(toWebhookRequest(request, detailsOf(request)), request), receiver)
  }
  handlers.set(handle, { path })
  return Object.assign(handle, { receiver })
}

/** The handlers created by this package, with their `path` option. */
const handlers = new WeakMap<object, Pick<NodeOptions, 'path'>>()

/** The listeners of this request's server that were called before this one. */
function earlierListeners(request: IncomingMessage, listener: object): readonly object[] {
  const { server } = request.socket as { readonly server?: Pick<EventEmitter, 'listeners'> }
  const listeners: readonly object[] = server?.listeners('request') ?? []
  return listeners.slice(0, Math.max(0, listeners.indexOf(listener)))
}

function detailsOf(request: IncomingMessage & { readonly rawBody?: unknown; readonly body?: unknown }): HostDetails {
  return {
    kept: [() => request.rawBody, () => request.body],
    remoteAddress: () => request.socket.remoteAddress,
    fix: 'Something read the request before this handler. Call this handler first, or keep the bytes in request.rawBody.',
  }
}
