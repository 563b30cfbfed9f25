import { AbortableDelivery } from './delivery.ts'
import { Dispatcher } from './dispatcher.ts'
import type { ClaimResult } from './duplicates.ts'
import { parseEnvelope } from './envelope.ts'
import {
  BodyAbortedError,
  BodyTimeoutError,
  BodyTooLargeError,
  ConfigurationError,
  codeOf,
  EventInProgressError,
  HandlerTimeoutError,
  isWebhookError,
  MethodNotAllowedError,
  RawBodyUnavailableError,
  ReceiverClosingError,
  SecretNotFoundError,
  SecretUnavailableError,
  SourceNotAllowedError,
  StoreUnavailableError,
} from './errors.ts'
import type { EventPattern, ScrapeNestEvents, WebhookEvent } from './events.ts'
import type { AnyHandler, EventHandler } from './handlers.ts'
import { collectHeaders, type ReceivedHeaders } from './headers.ts'
import type { InboxConnection, InboxEvent, InboxUser } from './inbox.ts'
import { processInboxEvent, reportInboxFailure } from './inbox-processor.ts'
import { maxTimeoutMs, type ReceiverOptions, type ReceiverSettings, settleOptions } from './receiver-options.ts'
import {
  type Acknowledgement,
  acknowledgementReply,
  closingConnection,
  errorReply,
  type WebhookReply,
} from './reply.ts'
import { ReplyDeadline } from './reply-deadline.ts'
import { Reporter, type Trace } from './reporter.ts'
import { checkBodyHeaders, leavesBodyUnread, type WebhookRequest } from './request.ts'
import { parseSecrets } from './secret.ts'
import { readSignedHeaders, signedHeadersOf } from './signed-headers.ts'
import type { SigningKey } from './signing-key.ts'
import { asBytes, matchSignature, type VerifiedMessage } from './verify.ts'

/** Receives deliveries, whatever the host: an adapter hands over the request and writes the reply. */
export interface Receiver<Events extends object = ScrapeNestEvents, Context = unknown> {
  /**
   * Adds a handler for a type, a family (`'job.*'`), every event of the catalogue (`'*'`), or several of these.
   *
   * @throws {ConfigurationError} `configuration_invalid`: a malformed pattern, or a handler that is no function.
   */
  onEvent<Pattern extends EventPattern<Events>>(
    patterns: Pattern | readonly Pattern[],
    handler: EventHandler<Events, Pattern, Context>,
  ): this
  /** Processes one delivery and says what to answer. Never rejects, whatever the request, the handlers and the stores do. */
  receive(request: WebhookRequest, context?: Context): Promise<WebhookReply>
  /** Begins work that needs no request, and warns of patterns that no event can match. Idempotent; adapters call it. */
  start(): Promise<void>
  /** Refuses new deliveries, waits for running handlers, aborts those that are not done after `graceMs`. Idempotent. */
  close(options?: CloseOptions): Promise<void>
}

export interface CloseOptions {
  /**
   * How long running handlers may take to end, in milliseconds.
   * @default 10000: then their `signal` is aborted and `close` resolves.
   */
  readonly graceMs?: number
}

/**
 * Makes a receiver.
 *
 * @typeParam Events the catalogue: an interface from event type to the shape of `data`. Default: ScrapeNest's.
 * @typeParam Context what `receive` is given as context and handlers find in `delivery.context`.
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const receiver = createReceiver({ secret: process.env.SCRAPENEST_WEBHOOK_SECRET })
 * receiver.onEvent('job.*', (event) => console.log(event.data.job_id))
 */
export function createReceiver<Events extends object = ScrapeNestEvents, Context = unknown>(
  // Not inferred: from the keys of `onEvent` the compiler would make up a catalogue in which every misspelling exists.
  options: ReceiverOptions<NoInfer<Events>, Context>,
): Receiver<Events, Context> {
  return new WebhookReceiver<Events, Context>(options)
}

/** How long a claim holds: much longer than a handler takes, short enough that a process that died swallows no event. */
const claimLeaseMs = 15 * 60_000

class WebhookReceiver<Events extends object, Context> implements Receiver<Events, Context> {
  readonly #settings: ReceiverSettings<Context>
  readonly #reporter: Reporter
  readonly #dispatcher: Dispatcher<Context>
  /** Who this receiver is to its inbox. */
  readonly #inboxUser: InboxUser
  readonly #running = new Map<AbortableDelivery<Context>, Promise<unknown>>()
  #started: Promise<void> | undefined
  #closed: Promise<void> | undefined

  constructor(options: ReceiverOptions<Events, Context>) {
    this.#settings = settleOptions(options)
    this.#reporter = new Reporter(this.#settings)
    this.#dispatcher = new Dispatcher(this.#settings, this.#reporter, options.onEvent)
    this.#inboxUser = {
      name: this.#settings.name,
      process: this.#settings.processing ? processInboxEvent(this.#dispatcher, this.#reporter) : undefined,
      report: reportInboxFailure(this.#reporter),
    }
  }

  onEvent<Pattern extends EventPattern<Events>>(
    patterns: Pattern | readonly Pattern[],
    handler: EventHandler<Events, Pattern, Context>,
  ): this {
    for (const pattern of Array.isArray(patterns) ? patterns : [patterns]) {
      this.#dispatcher.add(pattern, handler as unknown as AnyHandler<Context>)
    }
    return this
  }

  async receive(request: WebhookRequest, context?: Context): Promise<WebhookReply> {
    const trace: Trace = { request, startedAtMs: performance.now(), isBodyRead: false }
    const deadline = new ReplyDeadline(this.#settings.replyTimeoutMs)
    let reply: WebhookReply
    let failure: unknown
    try {
      const acknowledgement = await this.#process(request, context, deadline, trace)
      trace.acknowledgement = acknowledgement
      reply = acknowledgementReply(acknowledgement)
    } catch (error) {
      failure = error
      reply = errorReply(error)
      this.#reporter.failed(error, trace)
    } finally {
      deadline.clear()
    }
    this.#reporter.answered(reply.status, failure, trace)
    return !trace.isBodyRead && leavesBodyUnread(request) ? closingConnection(reply) : reply
  }

  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(Math.min(options.graceMs ?? 10_000, maxTimeoutMs))
    return this.#closed
  }

  /** The steps of one delivery, each of which may end it; the cheap ones come first. */
  async #process(
    request: WebhookRequest,
    context: Context | undefined,
    deadline: ReplyDeadline,
    trace: Trace,
  ): Promise<Acknowledgement> {
    const { maxBodyBytes, toleranceSeconds, now } = this.#settings
    this.#checkOpen()
    if (request.method !== 'POST') throw new MethodNotAllowedError()
    this.#checkSource(request.remoteAddress)
    const headers = collectHeaders(request.headers)
    checkBodyHeaders(headers, maxBodyBytes)
    const receivedAtMs = now()
    const candidates = readSignedHeaders(headers, { nowMs: receivedAtMs, toleranceSeconds })
    trace.deliveryId = candidates[0]?.id
    const keys = this.#settings.keys ?? (await this.#resolveKeys(request, context, deadline))
    const body = await this.#readBody(request, deadline)
    trace.isBodyRead = true
    const message = matchSignature(candidates, body, keys)
    const event = parseEnvelope(body, message.id)
    trace.secretIndex = message.secretIndex
    trace.deliveryId = message.id
    trace.eventId = event.event_id
    trace.eventType = event.event_type
    const delivery = this.#deliveryOf(message, receivedAtMs, context)
    // Once more: `close` waits for what has begun, and this has not.
    this.#checkOpen()
    if (this.#settings.inbox === undefined) return await this.#handleInTime(event, delivery, deadline, trace)
    return await this.#store(event, delivery, headers, deadline)
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new ReceiverClosingError()
  }

  #checkSource(address: string | undefined): void {
    const { isAllowedSource } = this.#settings
    if (isAllowedSource === undefined) return
    if (address === undefined || address === '') {
      throw new ConfigurationError(
        'allowedSources is set, but this host gives no client address (a unix socket, or a fetch server without `remoteAddress`).',
      )
    }
    if (!isAllowedSource(address)) throw new SourceNotAllowedError(address)
  }

  async #resolveKeys(
    request: WebhookRequest,
    context: Context | undefined,
    deadline: ReplyDeadline,
  ): Promise<readonly SigningKey[]> {
    const { resolveSecret } = this.#settings
    const secret = await deadline
      .race((async () => resolveSecret?.(request, context))(), () => new SecretUnavailableError())
      .catch((error) => {
        throw error instanceof SecretUnavailableError ? error : new SecretUnavailableError(error)
      })
    if (secret === undefined || secret === null || secret.length === 0) throw new SecretNotFoundError()
    return parseSecrets(secret)
  }

  async #readBody(request: WebhookRequest, deadline: ReplyDeadline): Promise<Uint8Array> {
    const { maxBodyBytes, replyTimeoutMs } = this.#settings
    let body: Uint8Array
    try {
      body = await deadline.race(
        (async () => request.body({ maxBytes: maxBodyBytes }))(),
        () => new BodyTimeoutError(replyTimeoutMs),
      )
    } catch (error) {
      throw isWebhookError(error) ? error : new BodyAbortedError(error)
    }
    if (!ArrayBuffer.isView(body)) {
      throw new RawBodyUnavailableError('The adapter gave no bytes. Hand over the body as it came, before any parser.')
    }
    if (body.byteLength > maxBodyBytes) throw new BodyTooLargeError(maxBodyBytes)
    return asBytes(body)
  }

  #deliveryOf(
    message: VerifiedMessage,
    receivedAtMs: number,
    context: Context | undefined,
  ): AbortableDelivery<Context> {
    const { id, sentAt, body, secretIndex } = message
    return new AbortableDelivery({
      id,
      sentAt,
      receivedAt: new Date(receivedAtMs),
      attempt: 1,
      rawBody: body,
      secretIndex,
      context,
    })
  }

  /** With an inbox the handlers run later, and the inbox alone decides what is a duplicate. */
  async #store(
    event: WebhookEvent,
    delivery: AbortableDelivery<Context>,
    headers: ReceivedHeaders,
    deadline: ReplyDeadline,
  ): Promise<Acknowledgement> {
    const { inbox, name } = this.#settings
    const { id, sentAt, receivedAt, rawBody, secretIndex } = delivery
    const stored: InboxEvent = {
      name,
      eventId: event.event_id,
      eventType: event.event_type,
      messageId: id,
      sentAt,
      receivedAt,
      signedHeaders: signedHeadersOf(headers),
      body: rawBody,
      secretIndex,
    }
    const storing = (async () => (inbox as InboxConnection).put(stored))()
    this.#track(delivery, storing)
    try {
      const result = await deadline.race(storing, () => new StoreUnavailableError())
      return result === 'stored' ? 'accepted' : 'duplicate'
    } catch (error) {
      throw error instanceof StoreUnavailableError ? error : new StoreUnavailableError(error)
    }
  }

  async #handleInTime(
    event: WebhookEvent,
    delivery: AbortableDelivery<Context>,
    deadline: ReplyDeadline,
    trace: Trace,
  ): Promise<Acknowledgement> {
    const handling = this.#handleOnce(event, delivery, trace)
    this.#track(delivery, handling)
    return await deadline.race(handling, () => {
      const error = new HandlerTimeoutError(this.#settings.replyTimeoutMs)
      delivery.abort(error)
      return error
    })
  }

  /** Runs the handlers under a claim: kept when they all succeeded, given back when the event is to come again. */
  async #handleOnce(event: WebhookEvent, delivery: AbortableDelivery<Context>, trace: Trace): Promise<Acknowledgement> {
    const key = `${this.#settings.name}/${event.event_id}`
    const claim = await this.#claim(key)
    if (claim.state === 'done') return 'duplicate'
    if (claim.state === 'in_progress') throw new EventInProgressError()
    try {
      await this.#dispatcher.dispatch(event, delivery, trace)
    } catch (error) {
      const isDropped = codeOf(error) === 'permanent_failure'
      await this.#endClaim(isDropped ? 'complete' : 'release', key, claim.token, trace)
      throw error
    }
    await this.#endClaim('complete', key, claim.token, trace)
    return 'accepted'
  }

  /** Keeps count of what `close` must wait for. */
  #track(delivery: AbortableDelivery<Context>, work: Promise<unknown>): void {
    this.#running.set(delivery, work)
    const untrack = (): boolean => this.#running.delete(delivery)
    work.then(untrack, untrack)
  }

  async #claim(key: string): Promise<ClaimResult> {
    try {
      return await this.#settings.duplicates.claim(key, { leaseMs: claimLeaseMs })
    } catch (error) {
      throw new StoreUnavailableError(error)
    }
  }

  /** The handlers' result stands, whatever the store does: a claim that could not be ended ends with its lease. */
  async #endClaim(end: 'complete' | 'release', key: string, token: string, trace: Trace): Promise<void> {
    try {
      await this.#settings.duplicates[end](key, token)
    } catch (error) {
      this.#reporter.failed(new StoreUnavailableError(error), trace)
    }
  }

  async #start(): Promise<void> {
    const { inbox } = this.#settings
    this.#dispatcher.warnOfIdlePatterns()
    if (inbox === undefined) return
    try {
      await inbox.start(this.#inboxUser)
    } catch (error) {
      this.#reporter.failed(isWebhookError(error) ? error : new StoreUnavailableError(error), {})
      throw error
    }
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#running.size > 0) {
      await settledWithin(graceMs, [...this.#running.values()])
      for (const delivery of this.#running.keys()) delivery.abort(new ReceiverClosingError())
    }
    await this.#settings.inbox?.close({ graceMs, user: this.#inboxUser })
    await this.#settings.duplicates.close?.()
    this.#reporter.close()
  }
}

/** Resolves when all have settled, or when the time is over. */
async function settledWithin(timeoutMs: number, work: readonly Promise<unknown>[]): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs)
    void Promise.allSettled(work).then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
