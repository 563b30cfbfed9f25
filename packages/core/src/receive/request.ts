import type { Logger } from '../report/log.ts'
import type { WebhookHeaders } from '../verify/headers.ts'

/**
 * An HTTP request, in a form that every host can provide.
 *
 * An object literal must not have getters. V8 allocates those in the old generation, where they keep the request in memory until
 * the next full garbage collection.
 */
export interface WebhookRequest {
  /** The HTTP method, in upper case. Anything but `POST` gets 405. */
  readonly method: string
  /** Path and query as the host reports them, or a full URL. Passed to the secret function only. */
  readonly url?: string | undefined
  /** Node's headers object, a `Headers`, a `Map` or a list of pairs. */
  readonly headers: WebhookHeaders
  /**
   * Returns the exact bytes. Called at most once, after the headers have been checked. May throw an error of this library
   * (`raw_body_unavailable`, `body_too_large`). Any other error counts as a broken connection.
   */
  readonly body: (limits: BodyLimits) => Uint8Array | Promise<Uint8Array>
  /** The client's address, according to the host's trusted-proxy settings. Required by `allowedSources`. */
  readonly remoteAddress?: string | undefined
  /** The host's logger for this request. Takes precedence over the receiver's. */
  readonly logger?: Logger | undefined
}

/** The limits that a body reader must respect. */
export interface BodyLimits {
  /** The maximum length in bytes. A reader should stop once the body exceeds it. */
  readonly maxBytes: number
}

/** Reads a value of the host, or returns `undefined` if that throws: a delivery needs neither an address nor a logger. */
export function readHost<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** The client's address, or `undefined` if the host knows none or its getter throws. */
export function remoteAddressOf(request: WebhookRequest): string | undefined {
  return readHost(() => request.remoteAddress) || undefined
}

/** The host's logger, or `undefined` if it has none or its getter throws. */
export function loggerOf(request: WebhookRequest): Logger | undefined {
  return readHost(() => request.logger)
}
