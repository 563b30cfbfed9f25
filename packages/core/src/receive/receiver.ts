import { codeOf, isWebhookError, WebhookError } from '../errors.ts'
import type { EventPattern, EventSchemas, SchemaOutputs, ScrapeNestEvents } from '../events.ts'
import { type AnyHandler, createHandlers, type EventHandler } from '../handle/handlers.ts'
import { inboxConsumer } from '../handle/inbox-processor.ts'
import { createReporter, type DeliveryOutcome } from '../report/reporter.ts'
import { mustCloseIfUnread } from './body.ts'
import { checkGraceMs, Deadline } from './close-deadline.ts'
import { createOpenDeliveries, OpenDelivery } from './open-deliveries.ts'
import { type ReceiverOptions, type ReceiverSettings, readReceiverOptions } from './options.ts'
import { phases } from './phases.ts'
import { createPipeline } from './pipeline.ts'
import { closingConnection, type Outcome, replyTo, type WebhookReply } from './reply.ts'
import type { WebhookRequest } from './request.ts'

/** Receives deliveries on any host. An adapter passes it requests and writes its replies. */
export interface Receiver<Events extends object = ScrapeNestEvents, Context = unknown> {
  /**
   * Adds a handler for a type, a family (`'job.*'`), every event in the catalog (`'*'`), or several of these.
   *
   * @throws {ConfigurationError} `configuration_invalid`: a pattern is malformed, or the handler is not a function.
   */
  onEvent<Pattern extends EventPattern<Events>>(
    patterns: Pattern | readonly Pattern[],
    handler: EventHandler<Events, Pattern, Context>,
  ): this
  /**
   * Processes one delivery and returns the reply. Never rejects.
   *
   * A property, not a method, so that a receiver for one host's context is not assignable to the adapter of another.
   *
   * @param context passed to handlers as `delivery.context`.
   */
  readonly receive: (request: WebhookRequest, context?: Context) => Promise<WebhookReply>
  /**
   * Starts the inbox and warns about patterns that match no event. Idempotent; adapters call it. Does nothing after
   * `close`. Rejects if the inbox cannot be opened, and keeps trying.
   *
   * @throws {Error} for a failure that retrying cannot fix: a `ConfigurationError` (`configuration_invalid`), or an error
   * with one as its cause.
   */
  start(): Promise<void>
  /**
   * Closes the receiver within `graceMs`, one budget for all steps:
   *
   * 1. Answers new deliveries, and those still waiting for their secret or body, with 503 `receiver_closing`.
   * 2. Waits for running handlers and pending store calls. With an inbox, reserves a quarter of the budget, at most 1 s,
   *    for step 4.
   * 3. Cuts off the remaining deliveries: answers 503 `receiver_closing` and aborts the handlers' `signal`. If the handlers
   *    are done and only the store is not, sends their result instead.
   * 4. Waits for a pending `start`. The inbox then waits for its handlers with the rest of the budget, aborts them shortly
   *    before it ends, and releases their events.
   * 5. Closes the duplicate store and writes the pending counts of the log.
   *
   * Idempotent. Another call can only shorten the budget. If the inbox or the store rejects within the budget, `close`
   * closes everything else and then rejects too.
   *
   * @throws {ConfigurationError} `configuration_invalid`: `graceMs` is invalid. Nothing is closed.
   */
  close(options?: CloseOptions): Promise<void>
  /**
   * For adapters: reports incorrect use of the adapter. Logs an error and passes it to `onError`; logs a string as a
   * warning. Repeats are counted per minute: warnings and configuration errors by text, other errors by code.
   */
  report(problem: WebhookError | string): void
}

/** The options of `Receiver.close`. */
export interface CloseOptions {
  /**
   * The budget, in milliseconds. `Infinity` waits for as long as the handlers take.
   * @default the receiver's `closeGraceMs`
   */
  readonly graceMs?: number | undefined
}

/**
 * Creates a receiver.
 *
 * @typeParam Events the catalog: an interface from event type to the shape of `data`. Default: ScrapeNest's.
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
  // NoInfer: otherwise the compiler would infer the catalog from the keys of `onEvent`, misspellings included.
  options: ReceiverOptions<NoInfer<Events>, Context, Schemas>,
): Receiver<SchemaOutputs<Events, Schemas>, Context> {
  return createReceiverFrom(readReceiverOptions<Context>(options))
}

/** Applications may store their first events while they are still starting. */
const remindAfterMs = 3000

const notStarted =
  'Events are stored, but no handlers run because the receiver was not started. Call receiver.start(), or set ' +
  'processing: false if a separate worker handles them.'

/** Creates a receiver from validated options. */
export function createReceiverFrom<Events extends object, Context>(
  settings: ReceiverSettings<Context>,
): Receiver<Events, Context> {
  const { name, inbox, duplicates } = settings
  const reporter = createReporter(settings)
  const handlers = createHandlers(settings, reporter)
  const consumer = inboxConsumer({ name, handlers, reporter, processing: settings.processing })
  const processDelivery = createPipeline(settings, { reporter, handlers })
  const openDeliveries = createOpenDeliveries<Context>(settings.replyTimeoutMs, answerLate)
  for (const warning of settings.secrets.warnings) reporter.warn(warning)

  /**
   * `new` → `starting` → `started` → `closing` → `closed`. A failed start returns to `new`. `closing` can follow any
   * earlier state.
   */
  let state: 'new' | 'starting' | 'started' | 'closing' | 'closed' = 'new'
  let started: Promise<void> = Promise.resolve()
  let budget: Budget | undefined
  let closed: Promise<void> | undefined
  let isInboxClosing = false
  let isReminded = false

  /** Runs one delivery and answers it. Never rejects. */
  async function run(delivery: OpenDelivery<Context>): Promise<void> {
    try {
      if (state === 'closing' || state === 'closed') throw new WebhookError('receiver_closing')
      const outcome = await processDelivery(delivery)
      if (outcome !== undefined) answer(delivery, outcome)
      remindToStart()
    } catch (error) {
      answer(delivery, { error })
    }
    openDeliveries.delete(delivery)
  }

  /** Warns that events are stored but never handled, because `start` was not called. */
  function remindToStart(): void {
    if (state !== 'new' || isReminded || inbox === undefined || !settings.processing) return
    isReminded = true
    const remind = (): void => {
      if (state === 'new') reporter.warn(notStarted)
    }
    setTimeout(remind, remindAfterMs).unref()
  }

  /** Sends the reply and reports it, once. */
  function answer(delivery: OpenDelivery<Context>, outcome: Outcome): void {
    if (delivery.isAnswered) return
    delivery.isAnswered = true
    if ('error' in outcome) reporter.reportFailure(outcome.error, delivery)
    const reply = replyTo(outcome)
    reporter.reportOutcome(() => outcomeOf(delivery, outcome, reply.status))
    const isClosing = !phases[delivery.phase].isBodyRead && mustCloseIfUnread(delivery.request)
    delivery.sendReply(isClosing ? closingConnection(reply) : reply)
  }

  function answerLate(delivery: OpenDelivery<Context>): void {
    const { lateCode } = phases[delivery.phase]
    cutOff(delivery, lateCode && new WebhookError(lateCode))
  }

  /**
   * Answers a delivery whose work has not ended, with the handlers' result if there is one. Otherwise, aborts the
   * handlers with the reason and answers with it.
   */
  function cutOff(delivery: OpenDelivery<Context>, reason?: WebhookError): void {
    delivery.inContext(() => {
      if (delivery.result === undefined) delivery.controller?.abort(reason)
      answer(delivery, delivery.result ?? { error: reason })
    })
    // Its secret or body may never arrive, and is no longer needed.
    if (!phases[delivery.phase].outlivesReply) openDeliveries.delete(delivery)
  }

  async function startInbox(): Promise<void> {
    state = 'starting'
    handlers.begin()
    try {
      if (settings.secrets.startError !== undefined) throw settings.secrets.startError
      await inbox?.start(consumer)
    } catch (error) {
      const failure = isWebhookError(error) ? error : new WebhookError('store_unavailable', undefined, { cause: error })
      reporter.reportFailure(failure, { ids: {}, isUnverified: true })
      // Lets the application call `start` again once the cause is fixed.
      if (state === 'starting') state = 'new'
      throw error
    }
    if (state === 'starting') state = 'started'
  }

  async function closeWithin({ forDeliveries, forEverything }: Budget): Promise<void> {
    for (const delivery of openDeliveries.all()) {
      if (!phases[delivery.phase].outlivesReply) cutOff(delivery, new WebhookError('receiver_closing'))
    }
    await forDeliveries.waitFor(openDeliveries.empty())
    for (const delivery of openDeliveries.all()) cutOff(delivery, new WebhookError('receiver_closing'))
    // Otherwise an inbox that is still opening would open after it was closed.
    await forEverything.waitFor(started)
    const failures: unknown[] = []
    const fail = (error: unknown): void => void failures.push(error)
    await forEverything.waitFor(closeInbox(forEverything).catch(fail))
    await forEverything.waitFor(closeDuplicates().catch(fail))
    openDeliveries.stop()
    forDeliveries.cancel()
    forEverything.cancel()
    reporter.flush()
    state = 'closed'
    if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures, 'Closing failed.')
  }

  async function closeInbox({ remainingMs }: Deadline): Promise<void> {
    isInboxClosing = true
    await inbox?.close({ graceMs: remainingMs, consumer })
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
        openDeliveries.add(delivery)
        void run(delivery)
      }),
    start() {
      if (state === 'new') started = startInbox()
      return started
    },
    async close({ graceMs = settings.closeGraceMs } = {}) {
      checkGraceMs('graceMs', graceMs)
      // Reserved for the inbox, which needs time to release its events.
      const reserveMs = inbox === undefined ? 0 : Math.min(1_000, graceMs / 4)
      if (budget === undefined) {
        budget = { forDeliveries: new Deadline(graceMs - reserveMs), forEverything: new Deadline(graceMs) }
        state = 'closing'
        // Deferred, so that `closed` is assigned before a hook can call `close` again.
        closed = Promise.resolve(budget).then(closeWithin)
      } else if (state === 'closing') {
        budget.forDeliveries.shorten(graceMs - reserveMs)
        budget.forEverything.shorten(graceMs)
        if (isInboxClosing) void closeInbox(budget.forEverything).catch(() => {})
      }
      await closed
    },
    report(problem) {
      if (typeof problem === 'string') reporter.warn(problem)
      else reporter.reportFailure(problem, { ids: {}, isUnverified: true })
    },
  }
}

/** The budget of `close`: when to stop waiting for deliveries, and when to stop waiting altogether. */
interface Budget {
  readonly forDeliveries: Deadline
  readonly forEverything: Deadline
}

function outcomeOf<Context>(delivery: OpenDelivery<Context>, outcome: Outcome, status: number): DeliveryOutcome {
  const { ids, secretIndex, remoteAddress, startedAtMs } = delivery
  const facts = { status, durationMs: performance.now() - startedAtMs, ...ids, secretIndex, remoteAddress }
  if (!('error' in outcome)) {
    const result = outcome.isUnhandled === true ? 'unhandled' : outcome.acknowledgement
    return { ...facts, result, error: undefined }
  }
  const { error } = outcome
  const code = codeOf(error) ?? 'handler_failed'
  return {
    ...facts,
    result: code === 'permanent_failure' ? 'dropped' : code,
    error: isWebhookError(error) ? error : undefined,
  }
}
