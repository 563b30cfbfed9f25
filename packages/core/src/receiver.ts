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
  isWebhookError,
  MethodNotAllowedError,
  RawBodyUnavailableError,
  ReceiverClosingError,
  SecretNotFoundError,
  SecretUnavailableError,
  SourceNotAllowedError,
  StoreUnavailableError,
} from './errors.ts'
import { type EventPattern, probeEventType, type ScrapeNestEvents, type WebhookEvent } from './events.ts'
import type { AnyHandler, EventHandler } from './handlers.ts'
import { collectHeaders, type ReceivedHeaders } from './headers.ts'
import type { InboxConnection, InboxUser } from './inbox.ts'
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
import { readSignedHeaders, signedHeadersOf } from './signed-headers.ts'
import { isThenable } from './thenable.ts'
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

const claimStates: ReadonlySet<string> = new Set<ClaimResult['state']>(['claimed', 'in_progress', 'done'])

/** How long a claim holds: much longer than a handler takes, short enough that a process that died swallows no event. */
const claimOptions = { leaseMs: 15 * 60_000 }

class WebhookReceiver<Events extends object, Context> implements Receiver<Events, Context> {
  readonly #settings: ReceiverSettings<Context>
  readonly #reporter: Reporter
  readonly #dispatcher: Dispatcher<Context>
  /** Who this receiver is to its inbox. */
  readonly #inboxUser: InboxUser
  /** What `close` waits for. */
  readonly #running = new Set<AbortableDelivery<Context>>()
  #onIdle: (() => void) | undefined
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
    const reception = new Reception(request, context)
    let reply: WebhookReply
    let failure: unknown
    try {
      const acknowledgement = await reception.inTime(this.#process(reception), this.#settings.replyTimeoutMs)
      reception.acknowledgement = acknowledgement
      reply = acknowledgementReply(acknowledgement)
    } catch (error) {
      failure = error
      reply = errorReply(error)
      this.#reporter.failed(error, reception)
    }
    this.#reporter.answered(reply.status, failure, reception)
    return !reception.isBodyRead && leavesBodyUnread(request) ? closingConnection(reply) : reply
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
  async #process(reception: Reception<Context>): Promise<Acknowledgement> {
    const { request } = reception
    const { maxBodyBytes, toleranceSeconds, now, inbox } = this.#settings
    this.#checkOpen()
    if (request.method !== 'POST') throw new MethodNotAllowedError()
    this.#checkSource(request.remoteAddress)
    const headers = collectHeaders(request.headers)
    checkBodyHeaders(headers, maxBodyBytes)
    const receivedAtMs = now()
    const candidates = readSignedHeaders(headers, { nowMs: receivedAtMs, toleranceSeconds })
    reception.deliveryId = candidates[0]?.id
    const secrets = this.#settings.secrets ?? (await this.#resolveSecrets(reception))
    const body = await this.#readBody(reception)
    const message = matchSignature(candidates, body, secrets)
    const event = parseEnvelope(body, message.id)
    reception.secretIndex = message.secretIndex
    reception.deliveryId = message.id
    reception.eventId = event.event_id
    reception.eventType = event.event_type
    // Once more: `close` waits for what has begun, and this has not. A late body is no longer anybody's.
    if (reception.isLate) throw new BodyTimeoutError(this.#settings.replyTimeoutMs)
    this.#checkOpen()
    if (event.event_type === probeEventType) return 'accepted'
    const delivery = deliveryOf(message, receivedAtMs, reception.context)
    reception.delivery = delivery
    this.#running.add(delivery)
    try {
      if (inbox === undefined) return await this.#handleOnce(event, delivery, reception)
      return await this.#store(inbox, event, delivery, { headers, reception })
    } finally {
      this.#running.delete(delivery)
      if (this.#running.size === 0) this.#onIdle?.()
    }
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

  async #resolveSecrets(reception: Reception<Context>): Promise<readonly SigningSecret[]> {
    const { resolveSecret } = this.#settings
    reception.waitingFor = 'secret'
    let secret: SecretResult
    try {
      secret = await resolveSecret?.(reception.request, reception.context)
    } catch (error) {
      throw new SecretUnavailableError(error)
    }
    if (reception.isLate) throw new SecretUnavailableError()
    if (secret === undefined || secret === null || secret.length === 0) throw new SecretNotFoundError()
    return parseSecrets(secret)
  }

  async #readBody(reception: Reception<Context>): Promise<Uint8Array> {
    const { maxBodyBytes } = this.#settings
    reception.waitingFor = 'body'
    let body: Uint8Array
    try {
      const reading = reception.request.body({ maxBytes: maxBodyBytes })
      body = isThenable(reading) ? await reading : reading
    } catch (error) {
      throw isWebhookError(error) ? error : new BodyAbortedError(error)
    }
    if (!ArrayBuffer.isView(body)) {
      throw new RawBodyUnavailableError('The adapter gave no bytes. Hand over the body as it came, before any parser.')
    }
    if (body.byteLength > maxBodyBytes) throw new BodyTooLargeError(maxBodyBytes)
    reception.isBodyRead = true
    return asBytes(body)
  }

  /** With an inbox the handlers run later, and the inbox alone decides what is a duplicate. */
  async #store(
    inbox: InboxConnection,
    event: WebhookEvent,
    delivery: AbortableDelivery<Context>,
    { headers, reception }: { readonly headers: ReceivedHeaders; readonly reception: Reception<Context> },
  ): Promise<Acknowledgement> {
    const { id, sentAt, receivedAt, rawBody, secretIndex } = delivery
    reception.waitingFor = 'store'
    try {
      const result = await inbox.put({
        name: this.#settings.name,
        eventId: event.event_id,
        eventType: event.event_type,
        messageId: id,
        sentAt,
        receivedAt,
        signedHeaders: signedHeadersOf(headers),
        body: rawBody,
        secretIndex,
      })
      if (result === 'stored') return 'accepted'
      if (result === 'duplicate') return 'duplicate'
      // Whoever writes an inbox may forget to answer: an event that may not be kept is not acknowledged.
      throw new TypeError(`Expected put to resolve with 'stored' or 'duplicate', got ${typeof result}.`)
    } catch (error) {
      throw error instanceof StoreUnavailableError ? error : new StoreUnavailableError(error)
    }
  }

  /** Runs the handlers under a claim: kept when they all succeeded, given back when the event is to come again. */
  async #handleOnce(
    event: WebhookEvent,
    delivery: AbortableDelivery<Context>,
    reception: Reception<Context>,
  ): Promise<Acknowledgement> {
    const { duplicates, name } = this.#settings
    const key = `${name}/${event.event_id}`
    reception.waitingFor = 'store'
    let claim: ClaimResult
    try {
      const claiming = duplicates.claim(key, claimOptions)
      claim = isThenable(claiming) ? await claiming : claiming
      if (!claimStates.has(claim.state)) throw new TypeError('Expected claim to resolve with one of its three states.')
    } catch (error) {
      throw new StoreUnavailableError(error)
    }
    if (claim.state === 'done') return 'duplicate'
    if (claim.state === 'in_progress') throw new EventInProgressError()
    if (reception.isLate) {
      // The reply said that the store is out of reach: the sender comes again and must not find the event claimed.
      await this.#endClaim('release', key, claim.token, reception)
      throw new StoreUnavailableError()
    }
    reception.waitingFor = 'handlers'
    try {
      await this.#dispatcher.dispatch(event, delivery, reception)
    } catch (error) {
      const isDropped = codeOf(error) === 'permanent_failure'
      await this.#endClaim(isDropped ? 'complete' : 'release', key, claim.token, reception)
      throw error
    }
    const completing = this.#endClaim('complete', key, claim.token, reception)
    if (completing !== undefined) await completing
    return 'accepted'
  }

  /**
   * The handlers' result stands, whatever the store does: a claim that could not be ended ends with its lease.
   *
   * @returns nothing where there is nothing to wait for.
   */
  #endClaim(
    end: 'complete' | 'release',
    key: string,
    token: string,
    reception: Reception<Context>,
  ): PromiseLike<void> | undefined {
    const failed = (error: unknown): void => this.#reporter.failed(new StoreUnavailableError(error), reception)
    try {
      const ending = this.#settings.duplicates[end](key, token)
      return isThenable(ending) ? ending.then(undefined, failed) : undefined
    } catch (error) {
      failed(error)
      return undefined
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
    await this.#idleWithin(graceMs)
    for (const delivery of this.#running) delivery.abort(new ReceiverClosingError())
    await this.#settings.inbox?.close({ graceMs, user: this.#inboxUser })
    await this.#settings.duplicates.close?.()
    this.#reporter.close()
  }

  /** Resolves when nothing is being handled, or when the time is over. */
  async #idleWithin(timeoutMs: number): Promise<void> {
    if (this.#running.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function deliveryOf<Context>(
  { id, sentAt, body, secretIndex }: VerifiedMessage,
  receivedAtMs: number,
  context: Context | undefined,
): AbortableDelivery<Context> {
  const receivedAt = new Date(receivedAtMs)
  return new AbortableDelivery({ id, sentAt, receivedAt, attempt: 1, rawBody: body, secretIndex, context })
}
