import { NotFoundError } from '../errors.ts'
import { type ApiAnswer, type ApiConnection, type CallOptions, isRecord, path } from './connection.ts'
import { expectFields } from './response-fields.ts'

export interface WebhookEndpointSettings {
  /** Where deliveries go. ScrapeNest asks for https. */
  readonly url: string
  /** @default the URL's host */
  readonly name?: string
  /** The event types to be told of. ScrapeNest's guide has this field, its SDK has not. @default every type */
  readonly enabled_events?: readonly string[]
  readonly description?: string
  readonly metadata?: Readonly<Record<string, string>>
  /** Its fields are not documented. */
  readonly retry_config?: Readonly<Record<string, unknown>>
}

export interface WebhookEndpoint {
  readonly endpoint_id: string
  readonly name: string
  readonly url: string
  /** `active`, `paused`, `disabled` or `deleted`. */
  readonly status: string
  readonly enabled_events?: readonly string[]
  /** The first characters of the secret: enough to tell two apart, too few to sign. */
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

/** A new endpoint. `secret` is shown this once: keep it before anything else. */
export interface CreatedWebhookEndpoint extends WebhookEndpoint {
  readonly secret: string
}

/** `secret` is shown this once. A lost one is replaced by rotating again. */
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

/** One event on its way to an endpoint. */
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
  /** Gives the next page when it is handed back. */
  readonly iterator?: string | null
  readonly prev_iterator?: string | null
  readonly done: boolean
  readonly limit?: number
}

export interface CursorOptions extends CallOptions {
  readonly limit?: number
  readonly iterator?: string
}

const base = '/v1/webhook-endpoints'

/** `client.webhookEndpoints`: register, rotate, and see what was delivered. */
export class WebhookEndpoints {
  readonly #connection: ApiConnection

  constructor(connection: ApiConnection) {
    this.#connection = connection
  }

  async list({ signal }: CallOptions = {}): Promise<readonly WebhookEndpoint[]> {
    const answer = await this.#connection.send({ method: 'GET', path: base, repeatable: true, signal })
    const { items } = expectFields<{ items: readonly WebhookEndpoint[] }>(answer, ['items'])
    return items.map((data) => endpointOf({ ...answer, data }))
  }

  /**
   * The API has no call for one endpoint: this asks for all and picks.
   *
   * @throws {NotFoundError} `not_found`
   */
  async get(endpointId: string, options: CallOptions = {}): Promise<WebhookEndpoint> {
    const found = (await this.list(options)).find(({ endpoint_id }) => endpoint_id === endpointId)
    if (found !== undefined) return found
    throw new NotFoundError({
      request: `GET ${base}`,
      status: 404,
      attempts: 1,
      apiMessage: `no webhook endpoint has the id ${JSON.stringify(endpointId)}`,
      details: [],
      body: '',
    })
  }

  /** Registers an endpoint. Not repeated after a lost answer, which would register a second one. */
  async create(settings: WebhookEndpointSettings, { signal }: CallOptions = {}): Promise<CreatedWebhookEndpoint> {
    const json = withName(settings)
    const answer = await this.#connection.send({ method: 'POST', path: base, json, repeatable: false, signal })
    const created = expectFields<CreatedWebhookEndpoint>(answer, ['secret'])
    return { ...created, ...endpointOf(answer) }
  }

  /** Replaces the settings of an endpoint: what is left out is cleared. */
  async update(
    endpointId: string,
    settings: WebhookEndpointSettings,
    { signal }: CallOptions = {},
  ): Promise<WebhookEndpoint> {
    const json = withName(settings)
    const call = { method: 'PUT', path: path`/v1/webhook-endpoints/${endpointId}`, json, repeatable: true } as const
    return endpointOf(await this.#connection.send({ ...call, signal }))
  }

  async delete(endpointId: string, { signal }: CallOptions = {}): Promise<void> {
    const call = { method: 'DELETE', path: path`/v1/webhook-endpoints/${endpointId}`, repeatable: true } as const
    try {
      await this.#connection.send({ ...call, signal })
    } catch (error) {
      // Gone at the second attempt: the first one did it, and its answer was lost.
      if (error instanceof NotFoundError && error.attempts > 1) return
      throw error
    }
  }

  /**
   * Gives the endpoint a new secret. ScrapeNest's SDK says that the old one is invalid at once; `rotatingSecret` and its
   * guide say how to lose no delivery. Not repeated after a lost answer, which would make the new secret an old one.
   */
  async rotateSecret(endpointId: string, { signal }: CallOptions = {}): Promise<RotatedSecret> {
    const call = { method: 'POST', path: path`/v1/webhook-endpoints/${endpointId}/rotate-secret` } as const
    const answer = await this.#connection.send({ ...call, repeatable: false, signal })
    return { ...expectFields<RotatedSecret>(answer, ['secret']), endpoint_id: endpointId }
  }

  /** Deliveries stop until `resume`. */
  async pause(endpointId: string, { signal }: CallOptions = {}): Promise<WebhookEndpointStatus> {
    const call = { method: 'POST', path: path`/v1/webhook-endpoints/${endpointId}/pause`, repeatable: true } as const
    return expectFields<WebhookEndpointStatus>(await this.#connection.send({ ...call, signal }), ['status'])
  }

  async resume(endpointId: string, { signal }: CallOptions = {}): Promise<WebhookEndpointStatus> {
    const call = { method: 'POST', path: path`/v1/webhook-endpoints/${endpointId}/resume`, repeatable: true } as const
    return expectFields<WebhookEndpointStatus>(await this.#connection.send({ ...call, signal }), ['status'])
  }

  /** One page of the events that were sent to an endpoint, newest first. */
  async messages(endpointId: string, options: CursorOptions = {}): Promise<CursorPage<WebhookMessageRecord>> {
    return this.#page(path`/v1/webhook-endpoints/${endpointId}/messages`, options)
  }

  /** Every event that was sent to an endpoint, page after page. */
  async *iterMessages(
    endpointId: string,
    { pageSize = 50, signal }: CallOptions & { readonly pageSize?: number } = {},
  ): AsyncGenerator<WebhookMessageRecord, void, void> {
    for (let iterator: string | undefined; ; ) {
      const page = await this.messages(endpointId, {
        limit: pageSize,
        signal,
        ...(iterator !== undefined && { iterator }),
      })
      yield* page.items
      // A cursor that does not move would have us ask for ever.
      if (page.done || !page.iterator || page.iterator === iterator) return
      iterator = page.iterator
    }
  }

  /** The attempts to deliver one event: statuses, times, and what the server answered. */
  async attempts(
    endpointId: string,
    messageId: string,
    options: CursorOptions = {},
  ): Promise<CursorPage<WebhookAttempt>> {
    return this.#page(path`/v1/webhook-endpoints/${endpointId}/messages/${messageId}/attempts`, options)
  }

  async #page<Item>(path: string, { signal, ...query }: CursorOptions): Promise<CursorPage<Item>> {
    const answer = await this.#connection.send({ method: 'GET', path, query: { ...query }, repeatable: true, signal })
    const page = expectFields<CursorPage<Item>>(answer, ['items'])
    return { ...page, done: page.done ?? true }
  }
}

/** ScrapeNest's guide creates an endpoint without a name, its SDK only with one. */
function withName(settings: WebhookEndpointSettings): WebhookEndpointSettings {
  if (settings.name !== undefined || !URL.canParse(settings.url)) return settings
  return { ...settings, name: new URL(settings.url).host }
}

/** `endpoint_id` is called `id` in ScrapeNest's guide. */
function endpointOf(answer: ApiAnswer): WebhookEndpoint {
  const { data } = answer
  const named = isRecord(data) && data['endpoint_id'] === undefined ? { ...data, endpoint_id: data['id'] } : data
  return expectFields<WebhookEndpoint>({ ...answer, data: named }, ['endpoint_id'])
}
