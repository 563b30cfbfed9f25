import { isScrapeNestError } from '../errors.ts'
import { withDeadline } from '../request/deadline.ts'
import { connectionFailed, requestTimedOut } from '../request/failures.ts'
import { withRetries } from '../request/retry.ts'
import { retryAfterSecondsOf } from '../request/retry-after.ts'
import { reasonOf } from '../request/system-code.ts'
import { createRedaction, type Redaction } from './redaction.ts'
import { type ApiResponse, invalidResponse, parseJson } from './response.ts'
import { responseError } from './response-error.ts'

export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ApiCall extends CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** The part after the base URL, with ids escaped (see `path`). */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  readonly json?: object | undefined
  /** Whether sending the request twice has the same effect as sending it once. */
  readonly idempotent: boolean
}

export interface ApiSettings {
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  /** Never appears in an error, even if a response quotes it. */
  readonly credential: string
  /** If `undefined`, each call uses the global `fetch`. */
  readonly fetch: typeof globalThis.fetch | undefined
  readonly timeoutMs: number
  readonly maxRetries: number
}

interface Attempt {
  /** Method and path. */
  readonly request: string
  readonly body: string | undefined
  /** How often the request has been sent, including this time. */
  readonly attempts: number
}

/** Larger than any page of jobs. A longer response is not from ScrapeNest. */
const maxResponseBytes = 32 * 1024 * 1024
const maxErrorBytes = 8 * 1024

/** Sends API calls with the key. */
export class ApiConnection {
  readonly #settings: ApiSettings
  readonly #redaction: Redaction

  constructor(settings: ApiSettings) {
    this.#settings = settings
    this.#redaction = createRedaction(settings.credential, { maxBytes: maxErrorBytes })
  }

  /**
   * @throws {ScrapeNestError} a code for the status, `connection_failed`, `request_timeout` or `response_invalid`.
   * @throws the signal's reason when aborted.
   */
  async send(call: ApiCall): Promise<ApiResponse> {
    const { maxRetries } = this.#settings
    const { idempotent, signal } = call
    const request = `${call.method} ${call.path}`
    // Before the first attempt: a body that cannot be serialized is not a connection failure.
    const body = call.json === undefined ? undefined : JSON.stringify(call.json)
    return withRetries({ maxRetries, idempotent, signal }, (attempts) =>
      this.#attempt(call, { request, body, attempts }),
    )
  }

  #attempt(call: ApiCall, { request, body, attempts }: Attempt): Promise<ApiResponse> {
    const { timeoutMs } = this.#settings
    const timedOut = () => requestTimedOut(request, timeoutMs)
    return withDeadline({ timeoutMs, signal: call.signal, timedOut }, async (signal) => {
      try {
        const response = await this.#fetch(call, { body, signal })
        if (!response.ok) throw await this.#errorOf(response, { request, attempts })
        return { status: response.status, data: await readJson(response, request), request }
      } catch (error) {
        if (signal.aborted || isScrapeNestError(error)) throw error
        // A custom fetch may quote the request in its error.
        const reason = this.#redaction.redact(reasonOf(error))
        throw connectionFailed(request, { attempts, cause: error, reason })
      }
    })
  }

  #fetch(call: ApiCall, { body, signal }: { readonly body: string | undefined; readonly signal: AbortSignal }) {
    // A mock may replace the global fetch after the client was created.
    const { baseUrl, headers, fetch = globalThis.fetch } = this.#settings
    return fetch(`${baseUrl}${call.path}${queryOf(call.query)}`, {
      method: call.method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
      // The key must not be sent to the target of a redirect.
      redirect: 'manual',
      signal,
    })
  }

  async #errorOf(response: Response, sent: { readonly request: string; readonly attempts: number }): Promise<Error> {
    const { status, headers } = response
    const { bytes } = await readBytes(response, this.#redaction.neededBytes)
    const requestId = headers.get('x-request-id')
    return responseError({
      ...sent,
      status,
      requestId: requestId === null ? undefined : this.#redaction.redact(requestId),
      retryAfterSeconds: retryAfterSecondsOf((name) => headers.get(name), Date.now()),
      body: this.#redaction.beginningOf(bytes),
    })
  }
}

function queryOf(query: ApiCall['query']): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value))
  }
  return parameters.size === 0 ? '' : `?${parameters}`
}

async function readJson(response: Response, request: string): Promise<unknown> {
  const { bytes, complete } = await readBytes(response, maxResponseBytes)
  if (!complete) throw invalidResponse(request, `is longer than ${maxResponseBytes} bytes`)
  if (bytes.byteLength === 0) return undefined
  return parseJson(bytes, request)
}

async function readBytes(response: Response, maxBytes: number): Promise<{ bytes: Buffer; complete: boolean }> {
  const chunks: Uint8Array[] = []
  let byteLength = 0
  // Leaving the loop cancels the body, so the server cannot make us read indefinitely.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    byteLength += chunk.byteLength
    if (byteLength > maxBytes) break
  }
  return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), complete: byteLength <= maxBytes }
}
