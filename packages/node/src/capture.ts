import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import {
  type BodyLimits,
  type Logger,
  WebhookError,
  type WebhookReply,
  type WebhookRequest,
} from '@scrapenest-webhooks/core'
import { readNodeStream, wasRead } from '@scrapenest-webhooks/core/node-stream'

/** What a host knows of a request beyond what node:http knows. Read only when it is needed, so getters are welcome. */
export interface HostFacts {
  /** Where this host's parsers may have kept the bytes, most exact first. Bytes are taken, text is UTF-8, the rest is ignored. */
  readonly captured: readonly unknown[]
  /** The client's address as the host's trusted-proxy rules tell it. */
  readonly remoteAddress: string | undefined
  /** What the operator of this host should do when the bytes are gone. */
  readonly rawBodyFix: string
}

/** The request as a receiver takes it, whatever ran before on a host that is built on node:http. */
export function toWebhookRequest(request: IncomingMessage, facts: HostFacts): WebhookRequest {
  return new NodeDelivery(request, facts)
}

/** A class and its getters: what only some deliveries are asked for costs nothing until then. */
class NodeDelivery implements WebhookRequest {
  readonly method: string
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly #request: IncomingMessage
  readonly #facts: HostFacts

  constructor(request: IncomingMessage, facts: HostFacts) {
    this.method = request.method ?? ''
    this.url = request.url
    this.headers = request.headers
    this.#request = request
    this.#facts = facts
  }

  body(limits: BodyLimits): Uint8Array | Promise<Uint8Array> {
    return captureBody(this.#request, this.#facts, limits)
  }

  get remoteAddress(): string | undefined {
    return this.#facts.remoteAddress
  }

  get logger(): Logger | undefined {
    return loggerOf(this.#request)
  }
}

/** Writes a reply with node:http's own means, which every host built on it leaves intact. */
export function writeReply(response: ServerResponse, reply: WebhookReply): void {
  // The client may have gone, or another middleware may have answered in its own time.
  if (response.headersSent || response.destroyed) return
  response.statusCode = reply.status
  for (const name in reply.headers) response.setHeader(name, reply.headers[name] as string)
  response.end(reply.body)
}

function captureBody(request: IncomingMessage, facts: HostFacts, limits: BodyLimits): Uint8Array | Promise<Uint8Array> {
  for (const value of facts.captured) {
    if (ArrayBuffer.isView(value)) return value as Uint8Array
    if (typeof value === 'string') return Buffer.from(value, 'utf8')
  }
  // setEncoding makes a stream give text, and text has lost whatever was not UTF-8.
  if (wasRead(request) || request.readableEncoding !== null)
    throw new WebhookError('raw_body_unavailable', facts.rawBodyFix)
  return readNodeStream(request, limits)
}

/** pino-http and its like put a logger on the request. */
function loggerOf(request: IncomingMessage & { readonly log?: unknown }): Logger | undefined {
  const log = request.log as Partial<Logger> | undefined
  return typeof log?.warn === 'function' && typeof log.error === 'function' ? (log as Logger) : undefined
}
