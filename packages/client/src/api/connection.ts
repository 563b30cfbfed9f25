import {
  apiErrorOf,
  ConnectionError,
  isScrapeNestError,
  RequestTimeoutError,
  ResponseInvalidError,
  systemCodeOf,
} from '../errors.ts'
import { pause } from '../request/pause.ts'
import { backoffMs, maxRetryDelayMs, retriedStatuses, retryAfterSecondsOf } from '../request/retry-delay.ts'

export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ApiCall extends CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** After the base URL, with every id escaped: see `path`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  readonly json?: object | undefined
  /**
   * Whether sending it twice is the same as sending it once. If not, it is sent again only when the server said that it
   * did nothing (429), or was never reached.
   */
  readonly repeatable: boolean
}

export interface ApiAnswer {
  readonly status: number
  /** The parsed body; `undefined` where there is none. */
  readonly data: unknown
  /** The call, for the messages of errors. */
  readonly request: string
  /** How often it was sent. */
  readonly attempts: number
}

export interface ApiSettings {
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  /** Never to be seen in an error, even where the server's answer quotes it. */
  readonly credential: string
  readonly fetch: typeof globalThis.fetch
  readonly timeoutMs: number
  readonly maxRetries: number
}

/** More than the largest page of jobs; a longer answer is not ScrapeNest's. */
const maxAnswerBytes = 32 * 1024 * 1024
const maxErrorBytes = 8 * 1024

/** Failures that happen before a request can have been sent. */
const notSentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Sends API calls with the key, and again where that is safe. */
export class ApiConnection {
  readonly #settings: ApiSettings

  constructor(settings: ApiSettings) {
    this.#settings = settings
  }

  /**
   * @throws {ScrapeNestError} the error of the status, `connection_failed`, `request_timeout` or `response_invalid`;
   * the signal's reason when aborted.
   */
  async send(call: ApiCall): Promise<ApiAnswer> {
    const request = `${call.method} ${call.path}`
    for (let attempts = 1; ; attempts += 1) {
      call.signal?.throwIfAborted()
      const outcome = await this.#attempt(call, { request, attempts })
      if ('answer' in outcome) return outcome.answer
      const delayMs = attempts > this.#settings.maxRetries ? undefined : delayBefore(attempts + 1, outcome)
      if (delayMs === undefined) throw outcome.error
      await pause(delayMs, call.signal)
    }
  }

  async #attempt(call: ApiCall, trace: { request: string; attempts: number }): Promise<Outcome> {
    const { baseUrl, headers, fetch, timeoutMs } = this.#settings
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout])
    // Outside: what cannot be written as JSON is the caller's mistake, not the connection's.
    const body = call.json === undefined ? {} : { body: JSON.stringify(call.json) }
    try {
      const response = await fetch(`${baseUrl}${call.path}${queryOf(call.query)}`, {
        method: call.method,
        headers: call.json === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        ...body,
        // The key must not go where a redirect points.
        redirect: 'manual',
        signal,
      })
      if (response.ok) return { answer: { status: response.status, data: await readJson(response, trace), ...trace } }
      return await this.#refused(call, response, trace)
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason
      if (isScrapeNestError(error)) throw error
      if (timeout.aborted) {
        return { error: new RequestTimeoutError(trace.request, timeoutMs), mayRetry: call.repeatable }
      }
      const mayRetry = call.repeatable || notSentCodes.has(systemCodeOf(error) ?? '')
      return { error: new ConnectionError(trace.request, { attempts: trace.attempts, cause: error }), mayRetry }
    }
  }

  async #refused(call: ApiCall, response: Response, trace: { request: string; attempts: number }): Promise<Outcome> {
    const { status } = response
    const retryAfterSeconds = retryAfterSecondsOf(response.headers, Date.now())
    const { text } = await readText(response, maxErrorBytes)
    const body = text.replaceAll(this.#settings.credential, '[redacted]')
    const said = errorFields(body)
    const requestId = said.requestId ?? response.headers.get('x-request-id') ?? undefined
    const error = apiErrorOf({ ...trace, status, retryAfterSeconds, body, ...said, requestId })
    const mayRetry = retriedStatuses.has(status) && (call.repeatable || status === 429)
    return { error, mayRetry, retryAfterSeconds }
  }
}

type Outcome =
  | { readonly answer: ApiAnswer }
  | { readonly error: Error; readonly mayRetry: boolean; readonly retryAfterSeconds?: number | undefined }

/** A path with its ids escaped, so that an id cannot lead elsewhere. */
export function path(parts: TemplateStringsArray, ...ids: readonly string[]): string {
  for (const id of ids) {
    // A URL takes `..` for the parent, however it is escaped; an empty id would be the list.
    if (typeof id !== 'string' || /^\.{0,2}$/.test(id))
      throw new TypeError(`Expected an id, got ${JSON.stringify(id)}.`)
  }
  return String.raw({ raw: parts }, ...ids.map(encodeURIComponent))
}

function delayBefore(attempt: number, outcome: Exclude<Outcome, { answer: ApiAnswer }>): number | undefined {
  if (!outcome.mayRetry) return undefined
  if (outcome.retryAfterSeconds === undefined) return backoffMs(attempt - 1)
  const delayMs = outcome.retryAfterSeconds * 1000
  return delayMs > maxRetryDelayMs ? undefined : delayMs
}

function queryOf(query: ApiCall['query']): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value))
  }
  return parameters.size === 0 ? '' : `?${parameters}`
}

async function readJson(response: Response, { request }: { readonly request: string }): Promise<unknown> {
  const { text, complete } = await readText(response, maxAnswerBytes)
  if (!complete) throw new ResponseInvalidError(request, `it is longer than ${maxAnswerBytes} bytes`)
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ResponseInvalidError(request, 'it is not JSON', { cause })
  }
}

async function readText(response: Response, maxBytes: number): Promise<{ text: string; complete: boolean }> {
  const chunks: Uint8Array[] = []
  let byteLength = 0
  // Leaving the loop early cancels the body, so that a server cannot keep us reading.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    byteLength += chunk.byteLength
    if (byteLength > maxBytes) break
  }
  const text = Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8')
  return { text, complete: byteLength <= maxBytes }
}

interface ErrorFields {
  readonly apiCode?: string | undefined
  readonly apiMessage?: string | undefined
  readonly requestId?: string | undefined
  readonly details: readonly Readonly<Record<string, unknown>>[]
}

/** Both shapes of an error: `{"error": {"code", "message", …}}` and the older `{"error": "…", "message": "…"}`. */
function errorFields(body: string): ErrorFields {
  const answer = parsedRecord(body)
  const { error } = answer
  if (!isRecord(error)) return { apiCode: textOf(error), apiMessage: textOf(answer['message']), details: [] }
  const details = Array.isArray(error['details']) ? error['details'].filter(isRecord) : []
  return {
    apiCode: textOf(error['code']),
    apiMessage: textOf(error['message']),
    requestId: textOf(error['request_id']),
    details,
  }
}

function parsedRecord(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 500) : undefined
}
