import { AbortableDelivery } from './delivery.ts'
import { Dispatcher } from './dispatcher.ts'
import { parseEnvelope } from './envelope.ts'
import {
  BodyAbortedError,
  BodyTooLargeError,
  ConfigurationError,
  isWebhookError,
  MethodNotAllowedError,
  RawBodyUnavailableError,
  ReceiverClosingError,
  SecretNotFoundError,
  SecretUnavailableError,
  SourceNotAllowedError,
  StoreUnavailableError,
} from './errors.ts'
import { type EventPattern, probeEventType, type ScrapeNestEvents } from './events.ts'
import { OnceHandler } from './handle-once.ts'
import type { AnyHandler, EventHandler } from './handlers.ts'
import { collectHeaders } from './headers.ts'
import { InFlight } from './in-flight.ts'
import type { InboxUser } from './inbox.ts'
import { processInboxEvent, reportInboxFailure } from './inbox-processor.ts'
import {
  maxTimeoutMs,
  type ReceiverOptions,
  type ReceiverSettings,
  type SecretResult,
  settleOptions,
} from './receiver-options.ts'
import { Reception } from './reception.ts'
import {
  type Acknowledgement,
  acknowledgementReply,
  closingConnection,
  errorReply,
  type WebhookReply,
} from './reply.ts'
import { Reporter } from './reporter.ts'
import { checkBodyHeaders, leavesBodyUnread, type WebhookRequest } from './request.ts'
import { parseSecrets, type SigningSecret } from './secret.ts'
import { readSignedHeaders } from './signed-headers.ts'
import { storeEvent } from './store-event.ts'
import { isThenable } from './thenable.ts'
import { asBytes, matchSignature } from './verify.ts'

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

class WebhookReceiver<Events extends object, Context> implements Receiver<Events, Context> {
  readonly #settings: ReceiverSettings<Context>
  readonly #reporter: Reporter
  readonly #dispatcher: Dispatcher<Context>
  /** Who this receiver is to its inbox. */
  readonly #inboxUser: InboxUser
  readonly #onceHandler: OnceHandler<Context>
  readonly #inFlight: InFlight<Context>
  #started: Promise<void> | undefined
  #closed: Promise<void> | undefined

  constructor(options: ReceiverOptions<Events, Context>) {
    this.#settings = settleOptions(options)
    this.#reporter = new Reporter(this.#settings)
    this.#dispatcher = new Dispatcher(this.#settings, this.#reporter, options.onEvent)
    this.#onceHandler = new OnceHandler(this.#settings, this.#dispatcher, this.#reporter)
    this.#inFlight = new InFlight(this.#settings.replyTimeoutMs, (reception) => this.#answerLate(reception))
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

  receive(request: WebhookRequest, context?: Context): Promise<WebhookReply> {
    return new Promise((resolve) => {
      const reception = new Reception(request, context, resolve)
      this.#inFlight.add(reception)
      void this.#process(reception)
    })
  }

  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(Math.min(options.graceMs ?? 10_000, maxTimeoutMs))
    return this.#closed
  }

  /** The steps of one delivery, each of which may end it; the cheap ones come first. Never rejects. */
  async #process(reception: Reception<Context>): Promise<void> {
    try {
      const { request } = reception
      const { maxBodyBytes, toleranceSeconds, now, inbox } = this.#settings
      this.#checkOpen()
      if (request.method !== 'POST') throw new MethodNotAllowedError()
      this.#checkSource(request)
      const headers = collectHeaders(request.headers)
      checkBodyHeaders(headers, maxBodyBytes)
      const receivedAtMs = now()
      const candidates = readSignedHeaders(headers, { nowMs: receivedAtMs, toleranceSeconds })
      reception.deliveryId = candidates[0]?.id
      const secrets = this.#settings.secrets ?? (await this.#resolveSecrets(reception))
      reception.waitingFor = 'body'
      let read: unknown
      try {
        const reading = request.body({ maxBytes: maxBodyBytes })
        read = isThenable(reading) ? await reading : reading
      } catch (error) {
        throw isWebhookError(error) ? error : new BodyAbortedError(error)
      }
      const body = checkBody(read, maxBodyBytes)
      reception.isBodyRead = true
      const message = matchSignature(candidates, body, secrets)
      const event = parseEnvelope(body, message.id)
      reception.secretIndex = message.secretIndex
      reception.deliveryId = message.id
      reception.eventId = event.event_id
      reception.eventType = event.event_type
      // A late body is no longer anybody's.
      if (reception.isAnswered) return
      // Once more: `close` waits for what has begun, and this has not.
      this.#checkOpen()
      if (event.event_type === probeEventType) {
        this.#acknowledge(reception, 'accepted')
        return
      }
      const delivery = new AbortableDelivery(message, new Date(receivedAtMs), reception.context)
      reception.delivery = delivery
      reception.waitingFor = 'store'
      const handling =
        inbox === undefined
          ? this.#onceHandler.handle(event, delivery, reception)
          : storeEvent(inbox, this.#settings.name, event, { delivery, headers })
      this.#acknowledge(reception, isThenable(handling) ? await handling : handling)
    } catch (error) {
      this.#refuse(reception, error)
    } finally {
      this.#inFlight.delete(reception)
    }
  }

  #acknowledge(reception: Reception<Context>, acknowledgement: Acknowledgement): void {
    reception.acknowledgement = acknowledgement
    this.#answer(reception, acknowledgementReply(acknowledgement))
  }

  #refuse(reception: Reception<Context>, error: unknown): void {
    if (reception.isAnswered) return
    this.#reporter.failed(error, reception)
    this.#answer(reception, errorReply(error), error)
  }

  #answer(reception: Reception<Context>, reply: WebhookReply, failure?: unknown): void {
    if (reception.isAnswered) return
    reception.isAnswered = true
    this.#reporter.answered(reply.status, failure, reception)
    const isClosing = !reception.isBodyRead && leavesBodyUnread(reception.request)
    reception.reply(isClosing ? closingConnection(reply) : reply)
  }

  /** The handlers go on under their claim, and their `signal` tells them. */
  #answerLate(reception: Reception<Context>): void {
    const error = reception.lateError(this.#settings.replyTimeoutMs)
    reception.delivery?.abort(error)
    this.#refuse(reception, error)
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new ReceiverClosingError()
  }

  #checkSource(request: WebhookRequest): void {
    const { isAllowedSource } = this.#settings
    if (isAllowedSource === undefined) return
    const address = request.remoteAddress
    if (address === undefined || address === '') {
      throw new ConfigurationError('allowedSources is set, but this host gives no client address (a unix socket?).')
    }
    if (!isAllowedSource(address)) throw new SourceNotAllowedError(address)
  }

  async #resolveSecrets(reception: Reception<Context>): Promise<readonly SigningSecret[]> {
    const { resolveSecret } = this.#settings
    reception.waitingFor = 'secret'
    let secret: SecretResult
    try {
      secret = await resolveSecret?.(reception.request, reception.context)
    } catch (error) {
      throw new SecretUnavailableError(error)
    }
    if (reception.isAnswered) throw new SecretUnavailableError()
    if (secret === undefined || secret === null || secret.length === 0) throw new SecretNotFoundError()
    return parseSecrets(secret)
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
    await this.#inFlight.idleWithin(graceMs)
    for (const { delivery } of this.#inFlight.handled()) delivery?.abort(new ReceiverClosingError())
    await this.#settings.inbox?.close({ graceMs, user: this.#inboxUser })
    await this.#settings.duplicates.close?.()
    this.#reporter.close()
  }
}

/** What an adapter gave as body: bytes, and no more of them than are allowed. */
function checkBody(body: unknown, maxBytes: number): Uint8Array {
  if (!ArrayBuffer.isView(body)) {
    throw new RawBodyUnavailableError('Hand over the bytes as they came, before any parser.')
  }
  if (body.byteLength > maxBytes) throw new BodyTooLargeError(maxBytes)
  return asBytes(body)
}
