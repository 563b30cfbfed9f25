import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import {
  type BodyLimits,
  ConfigurationError,
  type Logger,
  type ReadyReceiver,
  WebhookError,
  type WebhookReply,
  type WebhookRequest,
} from '@scrapenest-webhooks/core'
import { bodyTooLarge } from '@scrapenest-webhooks/core/adapter'
import { readBody } from './read-body.ts'

/** Where the raw body of a request may be. */
export interface BodySource {
  readonly request: IncomingMessage
  /**
   * Where the parsers of this host may have kept the body, most exact first. Bytes are used, text is encoded as UTF-8,
   * anything else is ignored, and so is a getter that throws.
   */
  readonly kept: readonly (() => unknown)[]
  /** The stream to read. @default the request */
  readonly stream?: Readable | undefined
  /** What the operator should do when the body is lost. */
  readonly fix: string
}

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

/**
 * The exact bytes of the body: what a parser kept, what the platform replays, or what the stream still has. A copy whose
 * length is not the declared one is not the body: a text parser drops a byte order mark, another decoding changes it.
 *
 * @throws {WebhookError} `raw_body_unavailable`, with the fix, or what reading the stream throws.
 */
export async function readRawBody(source: BodySource, limits: BodyLimits): Promise<Uint8Array> {
  const { request, kept, stream = request, fix } = source
  const declared = request.headers['content-length']
  const isBody = (bytes: Uint8Array | undefined): bytes is Uint8Array =>
    bytes !== undefined && (declared === undefined ? bytes.byteLength > 0 : bytes.byteLength === Number(declared))
  for (const value of kept) {
    const bytes = bytesOf(value)
    if (isBody(bytes)) return bytes
  }
  // setEncoding makes a stream return text, which has lost whatever is not UTF-8.
  if (!stream.readableDidRead && stream.readableEncoding === null) return await readBody(stream, limits)
  const replayed = readReplayed(request, limits)
  if (isBody(replayed)) return replayed
  throw new WebhookError('raw_body_unavailable', fix)
}

function bytesOf(value: () => unknown): Uint8Array | undefined {
  try {
    const kept = value()
    if (typeof kept === 'string') return Buffer.from(kept)
    return ArrayBuffer.isView(kept) ? new Uint8Array(kept.buffer, kept.byteOffset, kept.byteLength) : undefined
  } catch {
    return undefined
  }
}

/**
 * Some serverless platforms read the body themselves and replace `read` and `on` of the request, so that it can be read
 * once more (Vercel's Node helpers).
 */
function readReplayed(request: IncomingMessage, { maxBytes }: BodyLimits): Uint8Array | undefined {
  if (!Object.hasOwn(request, 'read')) return undefined
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const chunk: unknown = request.read()
    if (!ArrayBuffer.isView(chunk)) return Buffer.concat(chunks)
    chunks.push(chunk as Uint8Array)
    length += chunk.byteLength
    if (length > maxBytes) throw bodyTooLarge(maxBytes)
  }
}

/** pino-http and others attach a logger to the request. */
function loggerOf(request: IncomingMessage & { readonly log?: unknown }): Logger | undefined {
  const log = request.log as Partial<Logger> | undefined
  return typeof log?.warn === 'function' && typeof log.error === 'function' ? (log as Logger) : undefined
}

/** Writes a reply with node:http's own methods, which work on every host built on it. */
export function writeReply(
  response: ServerResponse,
  reply: WebhookReply,
  receiver?: Pick<ReadyReceiver, 'report'>,
): void {
  // The client may be gone, or another middleware may have replied.
  if (response.headersSent || response.destroyed) return
  try {
    response.statusCode = reply.status
    for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value)
    response.end(reply.body)
  } catch (error) {
    abandonReply(response, error, receiver)
  }
}

/**
 * Closes the connection when something that wraps the response throws, such as a session middleware, and reports it. The
 * sender retries. Left to the host, it could hang the request or end the process.
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
  return `A request for ${path} is not handled: the webhook is mounted at this path and has it as its \`path\` too. Remove one of the two.`
}
