import { isScrapeNestError } from '../errors.ts'
import { withDeadline } from '../request/deadline.ts'
import { connectionFailed, requestTimedOut } from '../request/failures.ts'
import { withRetries } from '../request/retry.ts'
import { retryAfterSecondsOf } from '../request/retry-after.ts'
import { type ApiResponse, invalidResponse } from './response.ts'
import { responseError } from './response-error.ts'

export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ApiCall extends CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** What follows the base URL, with ids escaped: see `path`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  readonly json?: object | undefined
  /** Whether sending it twice is the same as sending it once. */
  readonly idempotent: boolean
}

export interface ApiSettings {
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  /** Must not appear in an error, even if a response quotes it. */
  readonly credential: string
  readonly fetch: typeof globalThis.fetch
  readonly timeoutMs: number
  readonly maxRetries: number
}

interface Attempt {
  /** Method and path. */
  readonly request: string
  readonly body: string | undefined
  /** How often the request has been sent, this time included. */
  readonly attempts: number
}

/** More than the largest page of jobs: a longer response is not ScrapeNest's. */
const maxResponseBytes = 32 * 1024 * 1024
const maxErrorBytes = 8 * 1024

/** Sends API calls with the key. */
export class ApiConnection {
  readonly #settings: ApiSettings

  constructor(settings: ApiSettings) {
    this.#settings = settings
  }

  /**
   * @throws {ScrapeNestError} the code of the status, `connection_failed`, `request_timeout` or `response_invalid`.
   * @throws the signal's reason when aborted.
   */
  async send(call: ApiCall): Promise<ApiResponse> {
    const { maxRetries } = this.#settings
    const { idempotent, signal } = call
    const request = `${call.method} ${call.path}`
    // Before the first attempt: a body that cannot be JSON is the caller's mistake, not the connection's.
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
        throw connectionFailed(request, { attempts, cause: error })
      }
    })
  }

  #fetch(call: ApiCall, { body, signal }: { readonly body: string | undefined; readonly signal: AbortSignal }) {
    const { baseUrl, headers, fetch } = this.#settings
    return fetch(`${baseUrl}${call.path}${queryOf(call.query)}`, {
      method: call.method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
      // The key must not go where a redirect points.
      redirect: 'manual',
      signal,
    })
  }

  async #errorOf(response: Response, sent: { readonly request: string; readonly attempts: number }): Promise<Error> {
    const { status, headers } = response
    const { text } = await readText(response, maxErrorBytes)
    return responseError({
      ...sent,
      status,
      requestId: headers.get('x-request-id') ?? undefined,
      retryAfterSeconds: retryAfterSecondsOf((name) => headers.get(name), Date.now()),
      body: text.replaceAll(this.#settings.credential, '[redacted]'),
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
  const { text, complete } = await readText(response, maxResponseBytes)
  if (!complete) throw invalidResponse(request, `is longer than ${maxResponseBytes} bytes`)
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalidResponse(request, 'is not JSON', { cause })
  }
}

async function readText(response: Response, maxBytes: number): Promise<{ text: string; complete: boolean }> {
  const chunks: Uint8Array[] = []
  let byteLength = 0
  // Leaving the loop cancels the body, so that a server cannot keep us reading.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    byteLength += chunk.byteLength
    if (byteLength > maxBytes) break
  }
  const text = Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8')
  return { text, complete: byteLength <= maxBytes }
}
