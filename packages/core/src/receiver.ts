import { toBytes } from './bytes.ts'
import { AbortableDelivery } from './delivery.ts'
import { createDispatcher } from './dispatcher.ts'
import { parseEnvelope } from './envelope.ts'
import { ConfigurationError, failureOf, isWebhookError, WebhookError } from './errors.ts'
import { type EventPattern, probeEventType, type ScrapeNestEvents, type WebhookEvent } from './events.ts'
import { handleOnce } from './handle-once.ts'
import type { AnyHandler, EventHandler } from './handlers.ts'
import { collectHeaders, type ReceivedHeaders } from './headers.ts'
import { createInFlight } from './in-flight.ts'
import { inboxUser } from './inbox-processor.ts'
import { maxTimeoutMs, type ReceiverOptions, type SecretResolver, settleOptions } from './receiver-options.ts'
import type { Reception } from './reception.ts'
import {
  type Acknowledgement,
  acknowledgementReplies,
  closingConnection,
  errorReply,
  type WebhookReply,
} from './reply.ts'
import { createReporter } from './reporter.ts'
import { checkBodyHeaders, leavesBodyUnread, type WebhookRequest } from './request.ts'
import { parseSecrets, type SigningSecret } from './secret.ts'
import { readSignedHeaders } from './signed-headers.ts'
import { storeEvent } from './store-event.ts'
import { matchSignature, type VerifiedMessage } from './verify.ts'

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
  const settings = settleOptions<Context>(options)
  const { name, secrets, inbox, duplicates, isAllowedSource, maxBodyBytes, now } = settings
  const reporter = createReporter(settings)
  const dispatcher = createDispatcher(settings, reporter)
  const once = { name, duplicates, dispatcher, reporter }
  const inFlight = createInFlight<Context>(settings.replyTimeoutMs, answerLate)
  const user = inboxUser(name, dispatcher, reporter, settings.processing)
  let started: Promise<void> | undefined
  let closed: Promise<void> | undefined

  /** The steps of one delivery, each of which may end it; the cheap ones come first. Never rejects. */
  async function process(reception: Reception<Context>): Promise<void> {
    try {
      const { request } = reception
      checkOpen()
      if (request.method !== 'POST') throw new WebhookError('method_not_allowed')
      checkSource(request)
      const headers = collectHeaders(request.headers)
      checkBodyHeaders(headers, maxBodyBytes)
      reception.receivedAtMs = now()
      const candidates = readSignedHeaders(headers, reception.receivedAtMs, settings.toleranceSeconds)
      reception.facts = { deliveryId: candidates[0]?.id }
      const keys = secrets ?? (await findSecrets(reception, settings.secret as SecretResolver<Context>))
      reception.lateCode = 'body_timeout'
      let read: unknown
      try {
        read = await request.body({ maxBytes: maxBodyBytes })
      } catch (error) {
        throw isWebhookError(error) ? error : failureOf('body_aborted', error)
      }
      const body = toBytes(read)
      if (body.byteLength > maxBodyBytes) throw new WebhookError('body_too_large')
      reception.isBodyRead = true
      const message = matchSignature(candidates, body, keys)
      const event = parseEnvelope(body, message.id)
      reception.secretIndex = message.secretIndex
      reception.facts = { deliveryId: message.id, eventId: event.event_id, eventType: event.event_type }
      // A late body is no longer anybody's.
      if (reception.isAnswered) return
      // Once more: `close` waits for what has begun, and this has not.
      checkOpen()
      answer(reception, await handle(reception, message, event, headers))
    } catch (error) {
      answer(reception, undefined, error)
    } finally {
      inFlight.delete(reception)
    }
  }

  /** What is done with an event that was verified. */
  function handle(
    reception: Reception<Context>,
    message: VerifiedMessage,
    event: WebhookEvent,
    headers: ReceivedHeaders,
  ): Acknowledgement | Promise<Acknowledgement> {
    if (event.event_type === probeEventType) return 'accepted'
    const delivery = new AbortableDelivery(message, new Date(reception.receivedAtMs), reception.context)
    reception.delivery = delivery
    reception.lateCode = 'store_unavailable'
    if (inbox === undefined) return handleOnce(once, event, delivery, reception)
    return storeEvent(inbox, name, event, message, delivery.receivedAt, headers)
  }

  /** @param failure of what is not acknowledged. */
  function answer(reception: Reception<Context>, acknowledgement?: Acknowledgement, failure?: unknown): void {
    if (reception.isAnswered) return
    reception.isAnswered = true
    if (acknowledgement === undefined) reporter.failed(failure, reception)
    const reply = acknowledgement === undefined ? errorReply(failure) : acknowledgementReplies[acknowledgement]
    reporter.answered(reply.status, acknowledgement, failure, reception)
    const isClosing = !reception.isBodyRead && leavesBodyUnread(reception.request)
    reception.reply(isClosing ? closingConnection(reply) : reply)
  }

  /** The handlers go on under their claim, and their `signal` tells them. */
  function answerLate(reception: Reception<Context>): void {
    const error = new WebhookError(reception.lateCode)
    reception.delivery?.abort(error)
    answer(reception, undefined, error)
  }

  function checkOpen(): void {
    if (closed !== undefined) throw new WebhookError('receiver_closing')
  }

  function checkSource({ remoteAddress }: WebhookRequest): void {
    if (isAllowedSource === undefined) return
    if (!remoteAddress) {
      throw new ConfigurationError('No client address for allowedSources (a unix socket?).')
    }
    if (!isAllowedSource(remoteAddress)) throw new WebhookError('source_not_allowed', remoteAddress)
  }

  async function start(): Promise<void> {
    dispatcher.warnOfIdlePatterns()
    try {
      await inbox?.start(user)
    } catch (error) {
      reporter.failed(isWebhookError(error) ? error : failureOf('store_unavailable', error), { facts: {} })
      throw error
    }
  }

  async function close(graceMs: number): Promise<void> {
    await inFlight.idleWithin(graceMs)
    for (const { delivery } of inFlight.handled()) delivery?.abort(new WebhookError('receiver_closing'))
    await inbox?.close({ graceMs, user })
    await duplicates.close?.()
    reporter.close()
  }

  return {
    onEvent(patterns, handler) {
      for (const pattern of [patterns].flat())
        dispatcher.add(pattern as string, handler as unknown as AnyHandler<Context>)
      return this
    },
    receive: (request, context) =>
      new Promise((resolve) => {
        // With every field from the start: an object that changes its shape is slow to read.
        const reception: Reception<Context> = {
          request,
          context,
          reply: resolve,
          startedAtMs: performance.now(),
          receivedAtMs: 0,
          lateCode: 'body_timeout',
          isAnswered: false,
          isBodyRead: false,
          facts: {},
          secretIndex: undefined,
          delivery: undefined,
          older: undefined,
          newer: undefined,
        }
        inFlight.add(reception)
        void process(reception)
      }),
    start() {
      started ??= start()
      return started
    },
    close({ graceMs = 10_000 } = {}) {
      closed ??= close(Math.min(graceMs, maxTimeoutMs))
      return closed
    },
  }
}

async function findSecrets<Context>(
  reception: Reception<Context>,
  findSecret: SecretResolver<Context>,
): Promise<readonly SigningSecret[]> {
  reception.lateCode = 'secret_unavailable'
  const secret = await Promise.resolve()
    .then(() => findSecret(reception.request, reception.context))
    .catch((error: unknown) => {
      throw failureOf('secret_unavailable', error)
    })
  if (reception.isAnswered) throw new WebhookError('secret_unavailable')
  if (secret === undefined || secret === null || secret.length === 0) throw new WebhookError('secret_not_found')
  return parseSecrets(secret)
}
