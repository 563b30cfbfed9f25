import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { WebhookError, type WebhookRequest } from '@scrapenest-webhooks/core'
import { toWebhookRequest, writeReply } from '@scrapenest-webhooks/node'
import type { Condition } from '@scrapenest-webhooks/testing'
import {
  adapterWith,
  answering,
  bodiesWith,
  checkingEvents,
  type Exchange,
  headersWith,
  type Listen,
  parseJson,
  repliesWith,
  requestsWith,
} from './changed-adapter.ts'

/** An adapter for node:http with one plausible fault. Server and receiver are real. */
export interface BrokenAdapter {
  /** Completes "an adapter that …". */
  readonly that: string
  /** The ids of the checks that must fail. */
  readonly failing: readonly string[]
  /** The condition under which they fail. @default 'bare' */
  readonly under?: Condition
  readonly listen: Listen
  /** Shorter for adapters that never reply to a request. */
  readonly timeoutMs?: number
}

export const brokenAdapters: readonly BrokenAdapter[] = [
  {
    that: 'passes every method as POST',
    failing: ['M01', 'M02'],
    listen: requestsWith(() => ({ method: 'POST' })),
  },
  {
    that: 'only routes POST',
    failing: ['M01', 'M02'],
    listen: answering(({ request }) => (request.method === 'POST' ? undefined : 404)),
  },
  {
    that: 'answers 401 itself to a request without a signature',
    failing: ['M01', 'S01', 'H01'],
    listen: answering(({ incoming }) => (incoming.headers['svix-signature'] ? undefined : 401)),
  },
  {
    that: 'passes no client address',
    failing: ['S02'],
    listen: requestsWith(() => ({ remoteAddress: undefined })),
  },
  {
    that: 'drops the content encoding, as a host that decompresses does',
    failing: ['E01'],
    listen: headersWith(({ 'content-encoding': _, ...headers }) => headers),
  },
  {
    that: 'answers 415 itself to any content encoding',
    failing: ['E02'],
    listen: answering(({ incoming }) => (incoming.headers['content-encoding'] ? 415 : undefined)),
  },
  {
    that: 'keeps the connection after a reply to an unread body',
    failing: ['L01', 'L02'],
    listen: repliesWith(({ headers: { connection: _, ...headers } }) => ({ headers })),
  },
  {
    that: 'reads a body to its end, whatever its length',
    failing: ['L02'],
    timeoutMs: 300,
    listen: requestsWith((_request, incoming) => ({ body: () => readAll(incoming) })),
  },
  {
    that: 'invents a missing message id',
    failing: ['H01', 'H02'],
    listen: headersWith((headers) => ({ ...headers, 'svix-id': headers['svix-id'] || randomUUID() })),
  },
  {
    that: 'renames webhook-* headers to svix-*',
    failing: ['H02'],
    listen: headersWith((headers) =>
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.replace(/^webhook-/, 'svix-'), value])),
    ),
  },
  {
    that: 'passes only the first of repeated headers',
    failing: ['H03', 'H04', 'V04'],
    listen: requestsWith((_request, { headersDistinct }) => ({
      headers: Object.entries(headersDistinct).map(([name, [first = ''] = []]) => [name, first] as const),
    })),
  },
  {
    that: 'parses the timestamp as a number',
    failing: ['H04'],
    listen: headersWith((headers) => ({
      ...headers,
      'svix-timestamp': String(Number.parseInt(String(headers['svix-timestamp']), 10)),
    })),
  },
  {
    that: 'answers 400 itself to a delivery older than a minute',
    failing: ['H05'],
    listen: answering(({ incoming }) => {
      const ageMs = Date.now() - Number(incoming.headers['svix-timestamp']) * 1000
      return ageMs > 60_000 ? 400 : undefined
    }),
  },
  {
    that: 'answers 401 itself to a signature of another version',
    failing: ['H06', 'V04'],
    listen: answering(({ incoming }) =>
      String(incoming.headers['svix-signature']).startsWith('v1,') ? undefined : 401,
    ),
  },
  {
    that: 'passes only svix-* headers',
    failing: ['H07', 'H08'],
    listen: headersWith((headers) =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('webhook-'))),
    ),
  },
  {
    that: 'decodes the URL',
    failing: ['K01'],
    listen: requestsWith(({ url = '' }) => ({ url: decodeURIComponent(url) })),
  },
  {
    that: 'answers 401 instead of 400',
    failing: ['H01', 'H02', 'H03', 'H04', 'H05', 'H06', 'K02', 'V01', 'V02', 'V03', 'P01', 'P02', 'P03', 'P04'],
    listen: repliesWith(({ status }) => ({ status: status === 400 ? 401 : status })),
  },
  {
    that: 'answers 200 instead of 202',
    failing: ['S02', 'E02', 'H05', 'H07', 'H08', 'K01', 'V04', 'B01', 'B02', 'P05', 'D01', 'D03', 'D04', 'D07', 'D10'],
    listen: repliesWith(({ status }) => ({ status: status === 202 ? 200 : status })),
  },
  {
    that: 'acknowledges a delivery before the receiver has verified it',
    failing: ['M01', 'S01', 'V01', 'V02', 'V03', 'P01', 'P02', 'P03', 'P04', 'D02', 'D03', 'D08', 'C01'],
    listen: adapterWith(async ({ request, receive, response }) => {
      void receive(request)
      response.writeHead(202, { 'content-type': 'application/json; charset=utf-8' }).end('{"status":"accepted"}')
    }),
  },
  {
    that: 'parses the body and serializes it again',
    failing: ['B01', 'P03'],
    listen: bodiesWith((bytes) => Buffer.from(JSON.stringify(parseJson(bytes)) ?? bytes)),
  },
  {
    that: 'passes the parsed body, serialized again, after a parser',
    failing: ['P05', 'D01'],
    under: 'parser first',
    listen: requestsWith((_request, { body }) => ({ body: () => Buffer.from(JSON.stringify(body)) })),
  },
  {
    that: 'ignores the bytes that a parser kept',
    failing: ['B01', 'D01'],
    under: 'captured raw body',
    listen: requestsWith((_request, incoming) => ({
      body: toWebhookRequest(incoming, { kept: [], fix: 'Read them.', remoteAddress: () => undefined }).body,
    })),
  },
  {
    that: 'only reads JSON bodies',
    failing: ['B02'],
    listen: requestsWith(({ body }, { headers }) => ({
      body: (limits) => (headers['content-type'] === 'application/json' ? body(limits) : new Uint8Array()),
    })),
  },
  {
    that: 'passes JSON as the content type of every request',
    failing: ['B03'],
    under: 'parser first',
    listen: headersWith((headers) => ({ ...headers, 'content-type': 'application/json' })),
  },
  {
    that: 'mistakes an empty body for a lost one',
    failing: ['P01'],
    listen: bodiesWith((bytes) => {
      if (bytes.byteLength === 0) throw new WebhookError('raw_body_unavailable')
      return bytes
    }),
  },
  {
    that: 'decodes the body as text',
    failing: ['P03'],
    listen: bodiesWith((bytes) => Buffer.from(Buffer.from(bytes).toString('utf8'))),
  },
  {
    that: 'decodes each chunk of the body as text',
    failing: ['S02', 'B01', 'D03'],
    under: 'chunked mid-code-point',
    listen: requestsWith((_request, incoming) => ({ body: async () => Buffer.from(await readText(incoming)) })),
  },
  {
    that: 'answers 400 itself to a body that is not JSON',
    failing: ['P01', 'P02'],
    listen: checkingEvents((event) => event !== undefined, 400),
  },
  {
    that: 'answers 422 itself to JSON that is not an event',
    failing: ['P04'],
    listen: checkingEvents((event) => typeof (event as { event_type?: unknown })?.event_type === 'string', 422),
  },
  {
    that: 'answers 404 itself to unknown event types',
    failing: ['D07', 'D10'],
    listen: checkingEvents((event) => /^(?:job|artifact)\.(?:created|completed|ready)$/.test(typeOf(event)), 404),
  },
  {
    that: 'answers 200 itself to a repeated message id',
    failing: ['P05', 'D02', 'D03', 'D04'],
    listen: (...parameters) => {
      const seen = new Set<unknown>()
      const hasSeen = ({ incoming }: Exchange): boolean => seen.size === seen.add(incoming.headers['svix-id']).size
      return answering((exchange) => (hasSeen(exchange) ? 200 : undefined))(...parameters)
    },
  },
  {
    that: 'calls the receiver twice',
    failing: ['D01', 'D02', 'D03'],
    listen: adapterWith(async ({ request, receive, response }) => {
      const repeatable = { ...request, body: readOnce(request.body) }
      await receive(repeatable)
      writeReply(response, await receive(repeatable))
    }),
  },
  {
    that: 'calls the receiver again after a failure',
    failing: ['D03', 'D05'],
    listen: adapterWith(async ({ request, receive, response }) => {
      const repeatable = { ...request, body: readOnce(request.body) }
      const reply = await receive(repeatable)
      writeReply(response, reply.status < 500 ? reply : await receive(repeatable))
    }),
  },
  {
    that: 'drops Retry-After',
    failing: ['K02', 'D02', 'D05', 'D06', 'D09', 'C01'],
    listen: repliesWith(({ headers: { 'retry-after': _, ...headers } }) => ({ headers })),
  },
  {
    that: 'drops every header except the content type',
    failing: ['M01', 'M02', 'L01', 'L02', 'K02', 'D02', 'D05', 'D06', 'D09', 'C01'],
    listen: repliesWith(() => ({ headers: { 'content-type': 'application/json; charset=utf-8' } })),
  },
  {
    that: 'swallows the errors of the receiver',
    failing: ['K02', 'D03', 'D05', 'D06', 'D08', 'D09', 'C01'],
    listen: repliesWith((reply) => (reply.status < 500 ? reply : { status: 202, body: '{"status":"accepted"}' })),
  },
  {
    that: 'answers 504 when the handlers do not finish in time',
    failing: ['D06'],
    listen: repliesWith((reply) => (reply.body.includes('handler_timeout') ? { status: 504 } : reply)),
  },
  {
    that: 'closes the connection instead of answering 503',
    failing: ['K02', 'D05', 'D06', 'D09', 'C01'],
    listen: adapterWith(async ({ request, receive, response }) => {
      const reply = await receive(request)
      if (reply.status === 503) response.destroy()
      else writeReply(response, reply)
    }),
  },
  {
    that: 'never answers a delivery that the receiver refuses',
    failing: ['M01', 'V01'],
    timeoutMs: 300,
    listen: adapterWith(async ({ request, receive, response }) => {
      const reply = await receive(request)
      if (reply.status < 400) writeReply(response, reply)
    }),
  },
  {
    that: 'encodes the reply as JSON twice',
    failing: ['D01', 'V01'],
    listen: repliesWith(({ body }) => ({ body: JSON.stringify(body) })),
  },
  {
    that: 'drops the charset of the reply',
    failing: ['D01', 'V01'],
    listen: repliesWith(({ headers }) => ({ headers: { ...headers, 'content-type': 'application/json' } })),
  },
  {
    that: 'decompresses the body',
    failing: ['B01', 'D01'],
    under: 'compressed',
    listen: requestsWith(({ headers, body }) => ({
      headers: { ...headers, 'content-encoding': undefined },
      body: async (limits) => gunzipSync(await body(limits)),
    })),
  },
  {
    that: 'truncates the body at the limit, and drops its length',
    failing: ['B01', 'L01'],
    under: 'oversized',
    listen: requestsWith(({ headers }, incoming) => ({
      headers: { ...headers, 'content-length': undefined },
      body: async ({ maxBytes }) => (await readAll(incoming)).subarray(0, maxBytes),
    })),
  },
  {
    that: 'reads the body before calling the receiver',
    failing: ['M02', 'S01', 'H01', 'C01'],
    under: 'slow',
    timeoutMs: 300,
    listen: adapterWith(async ({ request, receive, response }) => {
      const body = await request.body({ maxBytes: 1_048_576 })
      writeReply(response, await receive({ ...request, body: () => body }))
    }),
  },
  {
    that: 'accepts the received part of an aborted body as the body',
    failing: ['B01', 'D01'],
    under: 'aborted',
    listen: requestsWith((_request, incoming) => ({ body: () => readAll(incoming) })),
  },
]

/** Controls: built like the broken adapters but intact, so that only the fault can make a check fail. */
export const intactAdapters: readonly Pick<BrokenAdapter, 'that' | 'listen'>[] = [
  { that: 'requests', listen: requestsWith(() => ({})) },
  { that: 'bodies', listen: bodiesWith((bytes) => bytes) },
  { that: 'replies', listen: repliesWith(() => ({})) },
]

function readOnce(read: WebhookRequest['body']): WebhookRequest['body'] {
  let body: Uint8Array | Promise<Uint8Array> | undefined
  return (limits) => {
    body ??= read(limits)
    return body
  }
}

function typeOf(event: unknown): string {
  return String((event as { event_type?: unknown } | undefined)?.event_type)
}

async function readText(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of incoming) text += (chunk as Buffer).toString('utf8')
  return text
}

/** Every byte until the stream or the connection ends. */
function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  return new Promise((resolve) => incoming.on('close', () => resolve(Buffer.concat(chunks))))
}
