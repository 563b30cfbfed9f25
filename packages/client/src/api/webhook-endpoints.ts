import { isScrapeNestError, ScrapeNestError } from '../errors.ts'
import type { ApiConnection, CallOptions } from './connection.ts'
import { path } from './path.ts'
import { type ApiResponse, expectFields, isRecord } from './response.ts'

export interface WebhookEndpointSettings {
  /** The URL that receives deliveries. ScrapeNest requires https. */
  readonly url: string
  /** @default the URL's host */
  readonly name?: string | undefined
  /** The event types to deliver. Documented in ScrapeNest's guide, but not in its SDK. @default every type */
  readonly enabled_events?: readonly string[] | undefined
  readonly description?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Its fields are not documented. */
  readonly retry_config?: Readonly<Record<string, unknown>> | undefined
}

export interface WebhookEndpoint {
  readonly endpoint_id: string
  readonly name: string
  readonly url: string
  /** `active`, `paused`, `disabled` or `deleted`. */
  readonly status: string
  readonly enabled_events?: readonly string[]
  /** The first characters of the secret: enough to tell two secrets apart, too few to sign. */
  readonly secret_prefix?: string
  readonly created_at?: string
  readonly updated_at?: string | null
  readonly description?: string | null
  readonly metadata?: Readonly<Record<string, string>>
  readonly retry_config?: Readonly<Record<string, unknown>> | null
  readonly consecutive_failures?: number
  readonly last_health_status?: string | null
  readonly last_health_checked_at?: string | null
}

/** A new endpoint. `secret` is only returned this once, so store it immediately. */
export interface CreatedWebhookEndpoint extends WebhookEndpoint {
  readonly secret: string
}

/** `secret` is only returned this once. If you lose it, rotate again. */
export interface RotatedSecret {
  readonly endpoint_id: string
  readonly secret: string
  readonly secret_prefix?: string
  readonly rotated_at?: string
}

export interface WebhookEndpointStatus {
  readonly endpoint_id: string
  readonly status: string
  readonly paused_at?: string
  readonly resumed_at?: string
}

/** One event sent to an endpoint. */
export interface WebhookMessageRecord {
  readonly message_id: string
  readonly status: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly dispatched_at: string
  readonly event_type?: string | null
  readonly event_id?: string | null
}

/** One attempt to deliver a message. */
export interface WebhookAttempt {
  readonly id: string
  readonly status: string
  readonly dispatched_at: string
  readonly status_code?: number | null
  readonly latency_ms?: number | null
  readonly response_body?: string | null
}

export interface CursorPage<Item> {
  readonly items: readonly Item[]
  /** Pass it as `iterator` to get the next page. */
  readonly iterator?: string | null
  readonly prev_iterator?: string | null
  readonly done: boolean
  readonly limit?: number
}

export interface CursorOptions extends CallOptions {
  /** Maximum number of entries on the page. @default ScrapeNest's own limit */
  readonly limit?: number | undefined
  /** Where the page starts: the `iterator` of the previous page. @default the first page */
  readonly iterator?: string | undefined
}

/** `client.webhookEndpoints`: register endpoints, rotate secrets, and inspect deliveries. */
export class WebhookEndpoints {
  readonly #connection: ApiConnection

  constructor(connection: ApiConnection) {
    this.#connection = connection
  }

  async list({ signal }: CallOptions = {}): Promise<readonly WebhookEndpoint[]> {
    const response = await this.#connection.send({
      method: 'GET',
      path: '/v1/webhook-endpoints',
      idempotent: true,
      signal,
    })
    const { items } = expectFields<{ items: readonly WebhookEndpoint[] }>(response, ['items'])
    return items.map((data) => endpointOf({ ...response, data }))
  }

  /**
   * Returns one endpoint. The API has no such call, so this lists all of them.
   *
   * @throws {ScrapeNestError} `not_found`
   */
  async get(endpointId: string, options: CallOptions = {}): Promise<WebhookEndpoint> {
    const found = (await this.list(options)).find(({ endpoint_id }) => endpoint_id === endpointId)
    if (found !== undefined) return found
    throw new ScrapeNestError({
      code: 'not_found',
      message: `No webhook endpoint has the id ${JSON.stringify(endpointId)}.`,
      request: 'GET /v1/webhook-endpoints',
      status: 404,
      attempts: 1,
      apiCode: undefined,
      requestId: undefined,
      details: [],
      retryAfterSeconds: undefined,
      body: '',
    })
  }

  /** Registers an endpoint. Not retried after a lost response, because that could register a second one. */
  async create(settings: WebhookEndpointSettings, { signal }: CallOptions = {}): Promise<CreatedWebhookEndpoint> {
    const call = { method: 'POST', path: '/v1/webhook-endpoints', json: withName(settings), idempotent: false } as const
    const response = await this.#connection.send({ ...call, signal })
    const created = expectFields<CreatedWebhookEndpoint>(response, ['secret'])
    return { ...created, ...endpointOf(response) }
  }

  /** Replaces all settings of an endpoint. Omitted settings are cleared. */
  async update(
    endpointId: string,
    settings: WebhookEndpointSettings,
    { signal }: CallOptions = {},
  ): Promise<WebhookEndpoint> {
    const json = withName(settings)
    const call = { method: 'PUT', path: path`/v1/webhook-endpoints/${endpointId}`, json, idempotent: true } as const
    return endpointOf(await this.#connection.send({ ...call, signal }))
  }

  async delete(endpointId: string, { signal }: CallOptions = {}): Promise<void> {
    const call = { method: 'DELETE', path: path`/v1/webhook-endpoints/${endpointId}`, idempotent: true } as const
    try {
      await this.#connection.send({ ...call, signal })
    } catch (error) {
      // An earlier attempt deleted the endpoint, and its response was lost.
      if (isScrapeNestError(error) && error.code === 'not_found' && error.attempts > 1) return
      throw error
    }
  }

  /**
   * Replaces the endpoint's secret. According to ScrapeNest's SDK, the old secret is invalid immediately. To avoid losing
   * deliveries, see `rotatingSecret` and its guide. Not retried after a lost response, because that could replace the new
   * secret too.
   */
  async rotateSecret(endpointId: string, { signal }: CallOptions = {}): Promise<RotatedSecret> {
    const call = { method: 'POST', path: path`/v1/webhook-endpoints/${endpointId}/rotate-secret` } as const
    const response = await this.#connection.send({ ...call, idempotent: false, signal })
    return { ...expectFields<RotatedSecret>(response, ['secret']), endpoint_id: endpointId }
  }

  /** Stops deliveries until `resume`. */
  async pause(endpointId: string, { signal }: CallOptions = {}): Promise<WebhookEndpointStatus> {
    const call = { method: 'POST', path: path`/v1/webhook-endpoints/${endpointId}/pause`, idempotent: true } as const
    return expectFields<WebhookEndpointStatus>(await this.#connection.send({ ...call, signal }), ['status'])
  }

  async resume(endpointId: string, { signal }: CallOptions = {}): Promise<WebhookEndpointStatus> {
    const call = { method: 'POST', path: path`/v1/webhook-endpoints/${endpointId}/resume`, idempotent: true } as const
    return expectFields<WebhookEndpointStatus>(await this.#connection.send({ ...call, signal }), ['status'])
  }

  /** Returns one page of the events sent to an endpoint, newest first. */
  async messages(endpointId: string, options: CursorOptions = {}): Promise<CursorPage<WebhookMessageRecord>> {
    return this.#page(path`/v1/webhook-endpoints/${endpointId}/messages`, options)
  }

  /** Iterates over all events sent to an endpoint, page by page. */
  async *iterMessages(
    endpointId: string,
    { pageSize = 50, signal }: CallOptions & { readonly pageSize?: number | undefined } = {},
  ): AsyncGenerator<WebhookMessageRecord, void, void> {
    const seen = new Set<string>()
    for (let iterator: string | undefined; ; ) {
      const page = await this.messages(endpointId, { limit: pageSize, iterator, signal })
      yield* page.items
      // A repeated cursor would make this loop endless.
      if (page.done || !page.iterator || seen.has(page.iterator)) return
      iterator = page.iterator
      seen.add(iterator)
    }
  }

  /** Returns the attempts to deliver one event, with statuses, times, and the server's replies. */
  async attempts(
    endpointId: string,
    messageId: string,
    options: CursorOptions = {},
  ): Promise<CursorPage<WebhookAttempt>> {
    return this.#page(path`/v1/webhook-endpoints/${endpointId}/messages/${messageId}/attempts`, options)
  }

  async #page<Item>(path: string, { signal, ...query }: CursorOptions): Promise<CursorPage<Item>> {
    const response = await this.#connection.send({ method: 'GET', path, query: { ...query }, idempotent: true, signal })
    const page = expectFields<CursorPage<Item>>(response, ['items'])
    return { ...page, done: page.done ?? true }
  }
}

/** ScrapeNest's guide creates endpoints without a name; its SDK requires one. */
function withName(settings: WebhookEndpointSettings): WebhookEndpointSettings {
  if (settings.name !== undefined || !URL.canParse(settings.url)) return settings
  return { ...settings, name: new URL(settings.url).host }
}

/** ScrapeNest's guide calls `endpoint_id` `id`. */
function endpointOf(response: ApiResponse): WebhookEndpoint {
  const { data } = response
  const named = isRecord(data) && data['endpoint_id'] === undefined ? { ...data, endpoint_id: data['id'] } : data
  return expectFields<WebhookEndpoint>({ ...response, data: named }, ['endpoint_id'])
}
