import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { WebhookReply, WebhookRequest } from '@scrapenest-webhooks/core'
import { toWebhookRequest, writeReply } from '@scrapenest-webhooks/node'
import type { ConformanceTarget } from '@scrapenest-webhooks/testing'
import { listen, type Parsed, parseJsonFirst } from './node-server.ts'

export type Listen = ConformanceTarget['listen']
export type Headers = Readonly<Record<string, string | undefined>>

/** One request on its way through an adapter for node:http. */
export interface Exchange {
  readonly incoming: IncomingMessage & Parsed
  readonly response: ServerResponse
  readonly request: WebhookRequest & { readonly headers: Headers }
  readonly receive: (request: WebhookRequest) => Promise<WebhookReply>
}

/** An adapter that handles each request with the function, after the arrangement's parser. */
export function adapterWith(serve: (exchange: Exchange) => Promise<void>): Listen {
  return async (receiver, arrangement) => {
    const receive = receiver.receive.bind(receiver)
    const listener = (incoming: Exchange['incoming'], response: ServerResponse): void => {
      const details = {
        kept: [() => incoming.rawBody],
        remoteAddress: () => incoming.socket.remoteAddress,
        fix: 'Keep the bytes.',
      }
      // Node joins repeated headers, except set-cookie.
      const headers = incoming.headers as Headers
      const request = { ...toWebhookRequest(incoming, details), headers }
      serve({ incoming, response, request, receive }).catch(() => response.destroy())
    }
    const isBare = arrangement === 'bare'
    return await listen(createServer(isBare ? listener : parseJsonFirst(arrangement === 'captured raw body', listener)))
  }
}

/** An adapter that passes a changed request. */
export function requestsWith(
  change: (request: Exchange['request'], incoming: Exchange['incoming']) => Partial<WebhookRequest>,
): Listen {
  return adapterWith(async ({ incoming, request, receive, response }) => {
    writeReply(response, await receive({ ...request, ...change(request, incoming) }))
  })
}

/** An adapter that passes changed headers. */
export function headersWith(change: (headers: Headers) => Headers): Listen {
  return requestsWith(({ headers }) => ({ headers: change(headers) }))
}

/** An adapter that passes changed bytes. */
export function bodiesWith(change: (bytes: Uint8Array) => Uint8Array): Listen {
  return requestsWith(({ body }) => ({ body: async (limits) => change(await body(limits)) }))
}

/** A reply with any status, not only those of a receiver. */
interface ChangedReply extends Omit<WebhookReply, 'status'> {
  readonly status: number
}

/** An adapter that writes a changed reply. */
export function repliesWith(change: (reply: WebhookReply) => Partial<ChangedReply>): Listen {
  return adapterWith(async ({ request, receive, response }) => {
    const reply = await receive(request)
    writeReply(response, { ...reply, ...change(reply) } as WebhookReply)
  })
}

/** An adapter that answers some requests itself with a status. */
export function answering(statusOf: (exchange: Exchange) => number | undefined): Listen {
  return adapterWith(async (exchange) => {
    const { request, receive, response } = exchange
    const status = statusOf(exchange)
    if (status === undefined) writeReply(response, await receive(request))
    else response.writeHead(status).end()
  })
}

/** An adapter that parses the body first and answers unaccepted bodies itself. */
export function checkingEvents(accepts: (event: unknown) => boolean, status: number): Listen {
  return adapterWith(async ({ request, receive, response }) => {
    const bytes = await request.body({ maxBytes: 1_048_576 })
    if (accepts(parseJson(bytes))) writeReply(response, await receive({ ...request, body: () => bytes }))
    else response.writeHead(status).end()
  })
}

/** Parses a body. Returns undefined if it is not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}
