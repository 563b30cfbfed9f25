import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  ConfigurationError,
  type Logger,
  type ReadyReceiver,
  type WebhookReply,
  type WebhookRequest,
} from '@scrapenest-webhooks/core'
import { type BodySource, readRawBody } from './read-body.ts'

/** What a host knows about a request beyond node:http. */
export interface HostDetails extends Pick<BodySource, 'kept' | 'fix'> {
  /** The client's address, as the host's trusted-proxy rules report it. */
  readonly remoteAddress: () => string | undefined
}

/** A request of node:http, or of a host built on it, as a WebhookRequest. */
export function toWebhookRequest(request: IncomingMessage, { kept, fix, remoteAddress }: HostDetails): WebhookRequest {
  return {
    method: request.method ?? '',
    url: request.url,
    headers: request.headers,
    body: (limits) => readRawBody({ request, kept, fix }, limits),
    get remoteAddress() {
      return remoteAddress()
    },
    get logger() {
      return loggerOf(request)
    },
  }
}

/** pino-http and others attach a logger to the request. */
function loggerOf(request: IncomingMessage & { readonly log?: unknown }): Logger | undefined {
  const log = request.log as Partial<Logger> | undefined
  if (typeof log?.warn !== 'function' || typeof log.error !== 'function') return undefined
  // Fastify's logger, when it is off, discards everything: all its methods are one function.
  return log.warn === log.error ? undefined : (log as Logger)
}

/** Writes a reply with node:http's own methods, which work on every host built on it. */
export function writeReply(
  response: ServerResponse,
  reply: WebhookReply,
  receiver?: Pick<ReadyReceiver, 'report'>,
): void {
  if (response.destroyed) return
  if (response.headersSent) {
    // One that has ended, for example by a timeout middleware, is complete. This one would hang.
    if (!response.writableEnded) receiver?.report?.('A reply was not sent: something else had sent headers before.')
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
 * Closes the connection when something that wraps the response throws, such as a session middleware, and reports it.
 * The sender retries. Left to the host, it could hang the request or end the process.
 */
export function abandonReply(response: ServerResponse, cause: unknown, receiver?: Pick<ReadyReceiver, 'report'>): void {
  response.destroy()
  const problem =
    'The reply could not be written: something that wraps the response threw, such as a session middleware.'
  receiver?.report?.(new ConfigurationError(problem, { cause }))
}

/** The path of a request target. A proxy may send the absolute form (RFC 9112, 3.2.2). */
export function pathOf(target: string | undefined): string | undefined {
  if (target === undefined || target.startsWith('/')) return target?.split('?', 1)[0]
  return URL.canParse(target) ? new URL(target).pathname : target
}

/** The warning for middleware whose path is also that of its mount, so that no delivery ever reaches it. */
export function pathTwice(path: string): string {
  return `A request for ${path} is not handled: the webhook is mounted at this path, and its \`path\` option repeats it. Mount it without a path, or at this path alone and without the option.`
}

/** The error for a second registration for the same path, which no delivery reaches. */
export function registeredTwice(path: string): ConfigurationError {
  return new ConfigurationError(
    `scrapenestWebhooks is registered twice for ${path}, and only the first registration gets deliveries. Give the second one another path, or remove it.`,
  )
}
