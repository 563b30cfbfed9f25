import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  ConfigurationError,
  type Logger,
  type ReadyReceiver,
  type WebhookReply,
  type WebhookRequest,
} from '@scrapenest-webhooks/core'
import { readHost } from '@scrapenest-webhooks/core/adapter'
import { type BodySource, readRawBody } from './read-body.ts'

/** Details about a request that only the host knows. */
export interface HostDetails extends Omit<BodySource, 'request'> {
  /** Returns the client's address, according to the host's trusted-proxy settings. */
  readonly remoteAddress: () => string | undefined
  /**
   * Returns the host's logger for this request.
   * @default the `log` of the request, as attached by pino-http and others
   */
  readonly logger?: () => Logger | undefined
}

/** Converts a request of node:http, or of a host built on it, to a WebhookRequest. */
export function toWebhookRequest(request: IncomingMessage, details: HostDetails): WebhookRequest {
  const { kept, stream, fix, remoteAddress, logger = () => loggerOf(request) } = details
  return {
    method: request.method ?? '',
    url: request.url,
    headers: request.headers,
    body: (limits) => readRawBody({ request, kept, stream, fix }, limits),
    remoteAddress: readHost(remoteAddress),
    logger: readHost(logger),
  }
}

function loggerOf(request: IncomingMessage & { readonly log?: unknown }): Logger | undefined {
  const log = request.log as Partial<Logger> | undefined
  if (typeof log?.warn !== 'function' || typeof log.error !== 'function') return undefined
  // Fastify's disabled logger, whose methods are all the same empty function.
  return log.warn === log.error ? undefined : (log as Logger)
}

/**
 * Writes a reply with the methods of node:http, which work on every host built on it. Never throws.
 *
 * @param receiver reports a reply that could not be written.
 */
export function writeReply(
  response: ServerResponse,
  reply: WebhookReply,
  receiver?: Pick<ReadyReceiver, 'report'>,
): void {
  if (response.destroyed) return
  if (response.headersSent) {
    // A response that has ended is complete, such as one sent by timeout middleware. One that has not ended may hang.
    if (!response.writableEnded) receiver?.report?.('The reply was not sent: something else had already sent headers.')
    return
  }
  try {
    response.statusCode = reply.status
    for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value)
    response.end(reply.body)
  } catch (error) {
    abandonReply(response, error, receiver)
  }
}

/**
 * Closes the connection and reports the error if something that wraps the response throws, such as session middleware. The
 * sender then retries. Otherwise, the host might leave the request hanging or end the process.
 */
export function abandonReply(response: ServerResponse, cause: unknown, receiver?: Pick<ReadyReceiver, 'report'>): void {
  response.destroy()
  const problem =
    'The reply could not be written: something that wraps the response threw an error, such as session middleware.'
  receiver?.report?.(new ConfigurationError(problem, { cause }))
}

/** The path of a request target, without the query. A proxy may send the absolute form (RFC 9112, 3.2.2). */
export function pathOf(target: string | undefined): string | undefined {
  if (target === undefined || target.startsWith('/')) return target?.split('?', 1)[0]
  return URL.canParse(target) ? new URL(target).pathname : target
}

/** The warning for middleware whose `path` repeats its mount path, so that no delivery reaches it. */
export function pathTwice(path: string): string {
  return `A request for ${path} was not handled: the webhook is mounted at this path and its \`path\` option repeats it. Remove the option, or mount the webhook without a path.`
}

/** The error for a second registration for the same path, which no delivery reaches. */
export function registeredTwice(path: string): ConfigurationError {
  return new ConfigurationError(
    `scrapenestWebhooks is registered twice for ${path}, and only the first registration gets deliveries. Remove the second one, or set its path to another one.`,
  )
}
