import { WebhookError } from './errors.ts'
import { collectHeaders, type ReceivedHeaders, type WebhookHeaders } from './headers.ts'
import type { Logger } from './logger.ts'

/** One HTTP request, in the form every host can give it. */
export interface WebhookRequest {
  readonly method: string
  readonly url?: string | undefined
  /** Node's headers object, a `Headers`, a `Map` or a list of pairs. */
  readonly headers: WebhookHeaders
  /**
   * Gives the exact bytes; called at most once, and only when the headers have passed. May throw or reject with an error of this
   * library (`raw_body_unavailable`, `body_too_large`); any other rejection counts as a connection that broke.
   */
  readonly body: (limits: BodyLimits) => Uint8Array | Promise<Uint8Array>
  /** The client's address, as the host's own trusted-proxy rules tell it. Needed for `allowedSources` only. */
  readonly remoteAddress?: string | undefined
  /** The host's logger for this request; the receiver's own is used where it is absent. */
  readonly logger?: Logger | undefined
}

export interface BodyLimits {
  /** A reader may stop, and should, as soon as the body is longer than this. */
  readonly maxBytes: number
}

/**
 * What the headers say of the body, before a byte of it is read.
 *
 * @throws {WebhookError} `content_encoding_unsupported`
 * @throws {WebhookError} `body_too_large`, as declared
 */
export function checkBodyHeaders(headers: ReceivedHeaders, maxBodyBytes: number): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && !(typeof encoding === 'string' && /^(identity)?$/i.test(encoding))) {
    throw new WebhookError('content_encoding_unsupported')
  }
  const length = headers['content-length']
  if (typeof length === 'string' && Number(length) > maxBodyBytes) {
    throw new WebhookError('body_too_large')
  }
}

/**
 * Whether a reply that is sent without reading the body must end the connection. HTTP/2 (told by its pseudo headers) ends
 * the stream instead and knows no `connection` header.
 */
export function leavesBodyUnread(request: Pick<WebhookRequest, 'headers'>): boolean {
  try {
    const headers = collectHeaders(request.headers)
    if (headers[':method'] !== undefined) return false
    return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  } catch {
    // Headers that contradict one another say nothing of a body: to end the connection is the safe side.
    return true
  }
}
