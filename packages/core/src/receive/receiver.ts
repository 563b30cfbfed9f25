import { codeOf, isWebhookError, WebhookError } from '../errors.ts'
import {
  type EventPattern,
  type EventSchemas,
  probeEventType,
  type SchemaOutputs,
  type ScrapeNestEvents,
  type WebhookEvent,
} from '../events.ts'
import { claimEvent } from '../handle/claim.ts'
import type { Delivery } from '../handle/delivery.ts'
import { type AnyHandler, createHandlers, type EventHandler } from '../handle/handlers.ts'
import { storeEvent } from '../handle/inbox.ts'
import { inboxConsumer, warnOfIdlePatterns } from '../handle/inbox-processor.ts'
import { createReporter, type DeliveryOutcome } from '../report/reporter.ts'
import { toBytes } from '../verify/bytes.ts'
import { parseEnvelope } from '../verify/envelope.ts'
import { type CollectedHeaders, collectHeaders } from '../verify/headers.ts'
import { generateSecret, parseSecrets, type SigningSecret } from '../verify/secret.ts'
import { readSignatureHeaders, type SignatureClaim } from '../verify/signature-headers.ts'
import { matchSignature } from '../verify/verify.ts'
import { checkGraceMs, Deadline } from './deadline.ts'
import { createOpenDeliveries } from './open-deliveries.ts'
import { type ReceiverOptions, type ReceiverSettings, readReceiverOptions } from './options.ts'
import { OpenDelivery, phases } from './phases.ts'
import { closingConnection, type Outcome, replyTo, type WebhookReply } from './reply.ts'
import { bodyTooLarge, checkBodyHeaders, hasBody, isJson, remoteAddressOf, type WebhookRequest } from './request.ts'

/** Receives deliveries on any host: an adapter passes the request and writes the reply. */
export interface Receiver<Events extends object = ScrapeNestEvents, Context = unknown> {
  /**
   * Adds a handler for a type, a family (`'job.*'`), every event of the catalogue (`'*'`), or several of these.
   *
   * @throws {ConfigurationError} `configuration_invalid`: a malformed pattern, or a handler that is not a function.
   */
  onEvent<Pattern extends EventPattern<Events>>(
    patterns: Pattern | readonly Pattern[],
    handler: EventHandler<Events, Pattern, Context>,
  ): this
  /**
   * Processes one delivery and returns the reply. Never rejects.
   *
   * A property, not a method: a receiver for one host's context must not be assignable to an adapter of another.
   */
  readonly receive: (request: WebhookRequest, context?: Context) => Promise<WebhookReply>
  /**
   * Starts work that needs no request, and warns of patterns that match no event. Idempotent; adapters call it. After
   * `close` it does nothing. Rejects when the inbox cannot be opened, and keeps trying.
   */
  start(): Promise<void>
  /**
   * Refuses new deliveries and waits for running handlers, within one budget for everything:
   *
   * 1. Deliveries whose secret or body is still awaited are answered 503 `receiver_closing` at once.
   * 2. Running handlers, and stores that are being written, are waited for.
   * 3. When the budget ends, the handlers' `signal` is aborted and their senders are answered 503 `receiver_closing`.
   *    Handlers that have succeeded are answered with their result.
   * 4. The inbox waits for its own handlers with what is left of the budget, aborts them shortly before it ends, and gives
   *    their events back.
   * 5. The duplicate store is closed, and the log writes its pending counts.
   *
   * Idempotent; a second call can only shorten the budget. Rejects with what the inbox or the store reject with, after
   * everything else was closed.
   *
   * @throws {ConfigurationError} `configuration_invalid`: an invalid `graceMs`. Nothing is closed then.
   */
  close(options?: CloseOptions): Promise<void>
  /**
   * For adapters: reports that the adapter is used incorrectly. An error is logged and passed to `onError`, a text is
   * logged as a warning. Repeats are counted per minute.
   */
  report(problem: WebhookError | string): void
}

export interface CloseOptions {
  /** The budget in milliseconds; `Infinity` waits for as long as handlers take. @default `closeGraceMs` of the receiver */
  readonly graceMs?: number | undefined
}

/**
 * Creates a receiver.
 *
 * @typeParam Events the catalogue: an interface from event type to the shape of `data`. Default: ScrapeNest's.
 * @typeParam Context what the host passes to `receive`; handlers find it in `delivery.context`.
 * @typeParam Schemas the type of the `schemas` option: their outputs become the types of `data`.
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const receiver = createReceiver({ secret: process.env.SCRAPENEST_WEBHOOK_SECRET })
 * receiver.onEvent('job.*', (event) => console.log(event.data.job_id))
 */
export function createReceiver<
  Events extends object = ScrapeNestEvents,
  Context = unknown,
  Schemas extends EventSchemas<Events> = Record<never, never>,
>(
  // NoInfer: from the keys of `onEvent` the compiler would infer a catalogue in which every misspelling exists.
  options: ReceiverOptions<NoInfer<Events>, Context, Schemas>,
): Receiver<SchemaOutputs<Events, Schemas>, Context> {
  return createReceiverFrom(readReceiverOptions<Context>(options))
}

/** Creates a receiver from options that have been read. */
export function createReceiverFrom<Events extends object, Context>(
  settings: ReceiverSettings<Context>,
): Receiver<Events, Context> {
  const { name, inbox, duplicates, maxBodyBytes, now } = settings
  const reporter = createReporter(settings)
  const handlers = createHandlers(settings, reporter)
  const consumer = inboxConsumer({ name, handlers, reporter, processing: settings.processing })
  const open = createOpenDeliveries<Context>(settings.replyTimeoutMs, answerLate)
  if (settings.hasShortSecret) reporter.warn('A signing secret is shorter than 24 bytes.')

  /** `new` → `starting` → `started` → `closing` → `closed`; `closing` can be entered from any state before it. */
  let state: 'new' | 'starting' | 'started' | 'closing' | 'closed' = 'new'
  let started: Promise<void> = Promise.resolve()
  let closing: { readonly deadline: Deadline; readonly done: Promise<void> } | undefined
  let isInboxClosing = false

  /** Runs one delivery and answers it. Never rejects. */
  async function run(delivery: OpenDelivery<Context>): Promise<void> {
    try {
      const outcome = await processDelivery(delivery)
      if (outcome !== undefined) answer(delivery, outcome)
    } catch (error) {
      answer(delivery, { error })
    }
    open.delete(delivery)
  }

  /**
   * The phases of one delivery, in order; `phases.ts` says what each of them means. A phase continues to the next, returns
   * an outcome, or throws one.
   *
   * @returns nothing if the delivery was answered meanwhile: a secret, body or claim that arrives late is not used.
   */
  async function processDelivery(delivery: OpenDelivery<Context>): Promise<Outcome | undefined> {
    const { request, context } = delivery
    const { headers, claims, receivedAt } = checkHeaders(request)
    delivery.ids = { messageId: claims[0]?.messageId }

    delivery.phase = 'secret'
    const secrets = await settings.findSecrets(request, context)
    if (delivery.isAnswered) return undefined

    delivery.phase = 'body'
    const body = await readBody(request, headers, maxBodyBytes)
    if (delivery.isAnswered) return undefined

    delivery.phase = 'verify'
    const { claim, secretIndex } = verifyClaims(claims, body, secrets)
    const { messageId } = claim
    delivery.ids = { messageId }
    delivery.secretIndex = secretIndex
    const event = parseEnvelope(body, messageId)
    delivery.ids = { messageId, eventId: event.event_id, eventType: event.event_type }
    reporter.deliveryVerified()

    delivery.phase = 'store'
    if (event.event_type === probeEventType) return await answerProbe()
    const message = { messageId, sentAt: new Date(claim.timestamp * 1000), receivedAt, secretIndex }
    if (inbox === undefined) return await handleEvent(delivery, event, { ...message, rawBody: body })
    const stored = { ...message, name, body, signedHeaders: claim.headers }
    return { acknowledgement: await storeEvent(inbox, event, stored) }
  }

  /** The cheap checks: nothing is read or hashed for a request that fails them. */
  function checkHeaders(request: WebhookRequest): {
    readonly headers: CollectedHeaders
    readonly claims: readonly SignatureClaim[]
    readonly receivedAt: Date
  } {
    if (state === 'closing' || state === 'closed') throw new WebhookError('receiver_closing')
    if (request.method !== 'POST') throw new WebhookError('method_not_allowed')
    if (settings.isAllowedSource !== undefined) checkSource(request, settings.isAllowedSource)
    const headers = collectHeaders(request.headers)
    checkBodyHeaders(headers, maxBodyBytes)
    const nowMs = now()
    const claims = readSignatureHeaders(headers, nowMs, settings.toleranceSeconds)
    return { headers, claims, receivedAt: new Date(nowMs) }
  }

  /** Runs the handlers before the reply, under a claim that lets no second delivery of the event run them. */
  async function handleEvent(
    delivery: OpenDelivery<Context>,
    event: WebhookEvent,
    facts: Omit<Delivery, 'attempt' | 'signal' | 'context'>,
  ): Promise<Outcome | undefined> {
    const claim = await claimEvent(duplicates, `${name}/${event.event_id}`)
    if (claim === undefined) return { acknowledgement: 'duplicate' }
    const reportFailure = (error: unknown): void => reporter.reportFailure(error, delivery)
    if (delivery.isAnswered) {
      // The sender was told to retry, and must not find the event claimed.
      await claim.release().catch(reportFailure)
      return undefined
    }

    delivery.phase = 'handlers'
    delivery.controller = new AbortController()
    const { signal } = delivery.controller
    const result = await runHandlers(event, { ...facts, attempt: 1, signal, context: delivery.context }, delivery)

    delivery.phase = 'ending'
    delivery.result = result
    const isRetried = 'error' in result && codeOf(result.error) !== 'permanent_failure'
    // If the store fails, the handlers' result stands and the claim expires with its lease.
    await (isRetried ? claim.release() : claim.complete()).catch(reportFailure)
    return result
  }

  async function runHandlers(...run: Parameters<typeof handlers.run>): Promise<Outcome> {
    try {
      await handlers.run(...run)
      return { acknowledgement: 'accepted' }
    } catch (error) {
      return { error }
    }
  }

  /** A probe tests this server without firing a handler. It is accepted only if the store works. */
  async function answerProbe(): Promise<Outcome> {
    try {
      await (inbox ?? duplicates).check?.()
      return { acknowledgement: 'accepted' }
    } catch (cause) {
      return { error: new WebhookError('store_unavailable', undefined, { cause }) }
    }
  }

  /** Sends the reply and reports it, once. */
  function answer(delivery: OpenDelivery<Context>, outcome: Outcome): void {
    if (delivery.isAnswered) return
    delivery.isAnswered = true
    if ('error' in outcome) reporter.reportFailure(outcome.error, delivery)
    const reply = replyTo(outcome)
    reporter.reportOutcome(() => outcomeOf(delivery, outcome, reply.status))
    const mustClose = !phases[delivery.phase].isBodyRead && hasBody(delivery.request)
    delivery.reply(mustClose ? closingConnection(reply) : reply)
  }

  function answerLate(delivery: OpenDelivery<Context>): void {
    const { lateCode } = phases[delivery.phase]
    if (lateCode !== undefined) cutOff(delivery, new WebhookError(lateCode))
    else if (delivery.result !== undefined) cutOff(delivery)
  }

  /**
   * Answers a delivery whose work has not ended: with the handlers' result if there is one, otherwise with the reason,
   * which then also aborts the handlers.
   */
  function cutOff(delivery: OpenDelivery<Context>, reason?: WebhookError): void {
    delivery.inContext(() => {
      if (delivery.result === undefined) delivery.controller?.abort(reason)
      answer(delivery, delivery.result ?? { error: reason })
    })
    // Nothing will be done with its secret or body, which may never arrive.
    if (phases[delivery.phase].onClose === 'answer') open.delete(delivery)
  }

  async function start(): Promise<void> {
    state = 'starting'
    warnOfIdlePatterns(handlers, reporter)
    try {
      if (settings.startError !== undefined) throw settings.startError
      await inbox?.start(consumer)
    } catch (error) {
      const failure = isWebhookError(error) ? error : new WebhookError('store_unavailable', undefined, { cause: error })
      reporter.reportFailure(failure, { ids: {}, isUnverified: true })
      throw error
    } finally {
      if (state === 'starting') state = 'started'
    }
  }

  async function close(deadline: Deadline): Promise<void> {
    state = 'closing'
    for (const delivery of open.all()) {
      if (phases[delivery.phase].onClose === 'answer') cutOff(delivery, new WebhookError('receiver_closing'))
    }
    await deadline.waitFor(open.empty())
    for (const delivery of open.all()) cutOff(delivery, new WebhookError('receiver_closing'))
    // An inbox that is still being opened would otherwise be opened after it was closed.
    await deadline.waitFor(started)
    const failures: unknown[] = []
    const fail = (error: unknown): void => void failures.push(error)
    await deadline.waitFor(closeInbox(deadline).catch(fail))
    await deadline.waitFor(closeDuplicates().catch(fail))
    open.stop()
    deadline.cancel()
    reporter.flush()
    state = 'closed'
    if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures, 'Closing failed.')
  }

  async function closeInbox(deadline: Deadline): Promise<void> {
    isInboxClosing = true
    await inbox?.close({ graceMs: deadline.remainingMs, consumer })
  }

  async function closeDuplicates(): Promise<void> {
    await duplicates.close?.()
  }

  return {
    onEvent(patterns, handler) {
      for (const pattern of [patterns].flat())
        handlers.add(pattern as string, handler as unknown as AnyHandler<Context>)
      return this
    },
    receive: (request, context) =>
      new Promise((resolve) => {
        const delivery = new OpenDelivery(request, context, resolve)
        open.add(delivery)
        void run(delivery)
      }),
    start() {
      if (state === 'new') started = start()
      return started
    },
    async close({ graceMs = settings.closeGraceMs } = {}) {
      checkGraceMs('graceMs', graceMs)
      if (closing === undefined) {
        const deadline = new Deadline(graceMs)
        closing = { deadline, done: close(deadline) }
      } else if (state === 'closing') {
        closing.deadline.shorten(graceMs)
        // The inbox may be waiting for its own handlers by now: it gets the shorter time too.
        if (isInboxClosing) void closeInbox(closing.deadline).catch(() => {})
      }
      await closing.done
    },
    report(problem) {
      if (typeof problem === 'string') reporter.warn(problem)
      else reporter.reportFailure(problem, { ids: {}, isUnverified: true })
    },
  }
}

/** @throws {WebhookError} `source_not_allowed` */
function checkSource(request: WebhookRequest, isAllowed: (address: string) => boolean): void {
  const address = remoteAddressOf(request)
  if (address === undefined) throw new WebhookError('source_not_allowed', 'The host reports no client address.')
  if (!isAllowed(address)) throw new WebhookError('source_not_allowed', `It is ${address}.`)
}

/**
 * Reads the body.
 *
 * @throws {WebhookError} `raw_body_unavailable`, `content_type_unsupported` (the same, on a media type that ScrapeNest never
 * sends: the sender chose the parser, so the operator is not alarmed), `body_too_large`, `body_aborted`
 */
async function readBody(request: WebhookRequest, headers: CollectedHeaders, maxBytes: number): Promise<Uint8Array> {
  let body: Uint8Array
  try {
    body = toBytes(await request.body({ maxBytes }))
  } catch (error) {
    if (!isWebhookError(error)) throw new WebhookError('body_aborted', undefined, { cause: error })
    if (error.code !== 'raw_body_unavailable' || isJson(headers)) throw error
    throw new WebhookError('content_type_unsupported', undefined, { cause: error })
  }
  if (body.byteLength > maxBytes) throw bodyTooLarge(maxBytes)
  return body
}

/** What is checked against a request without a secret, so that it takes as long as any forgery. */
const unknownSecret = parseSecrets(generateSecret())

/**
 * Finds the claim that a secret signed.
 *
 * @throws {WebhookError} `signature_mismatch`, or `secret_not_found`, which the sender cannot tell apart: otherwise a
 * stranger could list the tenants of a secret function.
 */
function verifyClaims(
  claims: readonly SignatureClaim[],
  body: Uint8Array,
  secrets: readonly SigningSecret[] | undefined,
): ReturnType<typeof matchSignature> {
  try {
    return matchSignature(claims, body, secrets ?? unknownSecret)
  } catch (error) {
    throw secrets === undefined ? new WebhookError('secret_not_found') : error
  }
}

function outcomeOf<Context>(delivery: OpenDelivery<Context>, outcome: Outcome, status: number): DeliveryOutcome {
  const { ids, secretIndex, remoteAddress, startedAtMs } = delivery
  const facts = { status, durationMs: performance.now() - startedAtMs, ...ids, secretIndex, remoteAddress }
  if (!('error' in outcome)) return { ...facts, result: outcome.acknowledgement, error: undefined }
  const { error } = outcome
  const code = codeOf(error) ?? 'handler_failed'
  return {
    ...facts,
    result: code === 'permanent_failure' ? 'dropped' : code,
    error: isWebhookError(error) ? error : undefined,
  }
}
