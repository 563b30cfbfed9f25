import { WebhookError } from '../errors.ts'
import type { Logger } from '../report/log.ts'
import { type CollectedHeaders, collectHeaders, type WebhookHeaders } from '../verify/headers.ts'

/** One HTTP request, in a form every host can provide. */
export interface WebhookRequest {
  readonly method: string
  readonly url?: string | undefined
  /** Node's headers object, a `Headers`, a `Map` or a list of pairs. */
  readonly headers: WebhookHeaders
  /**
   * Returns the exact bytes. Called at most once, and only after the headers have passed. May throw an error of this
   * library (`raw_body_unavailable`, `body_too_large`); any other error counts as a connection that broke.
   */
  readonly body: (limits: BodyLimits) => Uint8Array | Promise<Uint8Array>
  /** The client's address, as the host's trusted-proxy rules report it. Needed for `allowedSources` only. */
  readonly remoteAddress?: string | undefined
  /** The host's logger for this request. Without one, the receiver's is used. */
  readonly logger?: Logger | undefined
}

export interface BodyLimits {
  /** A reader should stop as soon as the body is longer than this. */
  readonly maxBytes: number
}

/**
 * Checks what the headers say about the body, before a byte of it is read.
 *
 * @throws {WebhookError} `content_encoding_unsupported`, or `body_too_large` as declared.
 */
export function checkBodyHeaders(headers: CollectedHeaders, maxBytes: number): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && !(typeof encoding === 'string' && /^(identity)?$/i.test(encoding))) {
    throw new WebhookError('content_encoding_unsupported')
  }
  const length = headers['content-length']
  if (typeof length === 'string' && Number(length) > maxBytes) throw bodyTooLarge(maxBytes)
}

/** `body_too_large`, with the limit. */
export function bodyTooLarge(maxBytes: number): WebhookError {
  return new WebhookError('body_too_large', `The limit is ${maxBytes} bytes.`, { maxBytes })
}

/** Whether the media type is JSON: `application/json`, `text/json`, or any `+json`. */
export function isJson(headers: CollectedHeaders): boolean {
  const contentType = headers['content-type']
  return typeof contentType === 'string' && /^\s*[^\s;/]+\/([^\s;]+\+)?json\s*(;|$)/i.test(contentType)
}

/** The client's address, or nothing where the host knows none or its getter throws. */
export function remoteAddressOf(request: WebhookRequest): string | undefined {
  try {
    return request.remoteAddress || undefined
  } catch {
    return undefined
  }
}

/** The logger of the host, or nothing where it has none or its getter throws. */
export function loggerOf(request: WebhookRequest): Logger | undefined {
  try {
    return request.logger
  } catch {
    return undefined
  }
}

/**
 * Whether a reply sent without reading the body must close the connection. HTTP/2 (recognized by its pseudo headers)
 * ends the stream instead and has no `connection` header.
 */
export function mustCloseIfUnread(request: Pick<WebhookRequest, 'headers'>): boolean {
  try {
    const headers = collectHeaders(request.headers)
    if (headers[':method'] !== undefined) return false
    return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  } catch {
    // Headers that contradict each other say nothing about the body: closing is the safe side.
    return true
  }
}
