import { type ReceiverSource, selfStartingReceiver } from './adapted-receiver.ts'
import { ConfigurationError, WebhookError } from './errors.ts'
import type { ScrapeNestEvents } from './events.ts'
import type { Receiver } from './receiver.ts'
import { notFoundReply, type WebhookReply } from './reply.ts'
import type { BodyLimits } from './request.ts'

export interface FetchOptions {
  /**
   * The exact path to answer at; other paths get 404.
   * @default undefined: every request is taken for a delivery, because the router before us has chosen
   */
  readonly path?: string | undefined
  /** Tells the client's address; needed for `allowedSources`, because a `Request` does not carry one. */
  readonly remoteAddress?: ((request: Request) => string | undefined) | undefined
}

export interface FetchHandler {
  (request: Request): Promise<Response>
  readonly receiver: Receiver<ScrapeNestEvents, Request>
}

/**
 * Receives ScrapeNest webhooks on a server of fetch style on Node: Hono, a route handler of Next.js.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * const webhooks = scrapenestWebhooks({ secret: process.env.SCRAPENEST_WEBHOOK_SECRET, onEvent: { 'artifact.ready': save } })
 * app.all('/webhooks/scrapenest', (c) => webhooks(c.req.raw))
 */
export function scrapenestWebhooks(options: FetchOptions & ReceiverSource<Request>): FetchHandler {
  const { path, remoteAddress, ...source } = options
  if ('allowedSources' in source && source.allowedSources !== undefined && remoteAddress === undefined) {
    throw new ConfigurationError('allowedSources needs the client address: give `remoteAddress: (request) => …` too.')
  }
  const receiver = selfStartingReceiver<Request>(source)

  async function handle(request: Request): Promise<Response> {
    if (path !== undefined && new URL(request.url).pathname !== path) return respond(notFoundReply)
    const reply = await receiver.receive(
      {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: (limits) => readRequest(request, limits),
        remoteAddress: remoteAddress?.(request),
      },
      request,
    )
    return respond(reply)
  }
  return Object.assign(handle, { receiver })
}

function respond({ status, headers, body }: WebhookReply): Response {
  return new Response(body, { status, headers })
}

async function readRequest(request: Request, { maxBytes }: BodyLimits): Promise<Uint8Array> {
  if (request.bodyUsed || request.body?.locked) {
    throw new WebhookError(
      'raw_body_unavailable',
      'Something called request.json() or request.text() before. Pass the request on unread, or a clone() of it.',
    )
  }
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let byteLength = 0
  // Leaving the loop early cancels the stream, so nothing goes on reading for us.
  for await (const chunk of request.body) {
    byteLength += chunk.byteLength
    if (byteLength > maxBytes) throw new WebhookError('body_too_large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, byteLength)
}
