import type { Logger } from '../report/log.ts'
import type { WebhookHeaders } from '../verify/headers.ts'

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
