import { checkKnownOptions } from '../check.ts'
import type { WebhookError } from '../errors.ts'
import type { EventSchemas, ScrapeNestEvents } from '../events.ts'
import { type AttemptFacts, createReporter, type Reporter, type Subject } from '../report/reporter.ts'
import { parseEnvelope } from '../verify/envelope.ts'
import { createHandlers, type DispatchResult, type Handlers } from './handlers.ts'
import type { InboxAttempt, InboxConsumer, InboxEvent } from './inbox.ts'
import { type HandlingOptions, type HandlingSettings, handlingOptions, readHandlingOptions } from './options.ts'

/**
 * Creates the consumer that a worker passes to `inbox.start`. It handles stored events and receives no deliveries.
 *
 * @param otherOptions the caller's own options. The message for an unknown option lists them too.
 * @throws {ConfigurationError} `configuration_invalid`: an option is malformed or unknown.
 */
export function createInboxProcessor<
  Events extends object = ScrapeNestEvents,
  Schemas extends EventSchemas<Events> = Record<never, never>,
>(
  // NoInfer: as in createReceiver.
  options: HandlingOptions<NoInfer<Events>, never, Schemas>,
  otherOptions: Readonly<Record<string, unknown>> = {},
): InboxConsumer {
  checkKnownOptions(options, { ...handlingOptions, ...otherOptions })
  const settings = readHandlingOptions<HandlingSettings<never>>(options)
  const reporter = createReporter(settings)
  const handlers = createHandlers(settings, reporter)
  handlers.begin()
  return inboxConsumer({ name: settings.name, handlers, reporter, processing: true })
}

/** A receiver or worker as a consumer of an inbox. Its handlers get stored bytes and no `context`. */
export function inboxConsumer<Context>({
  name,
  handlers,
  reporter,
  processing,
}: {
  readonly name: string
  readonly handlers: Handlers<Context>
  readonly reporter: Reporter
  readonly processing: boolean
}): InboxConsumer {
  /** The errors that handlers threw, keyed by the error that the processor rejected with. */
  const failuresOf = new WeakMap<WebhookError, readonly unknown[]>()

  async function processEvent(stored: InboxEvent, { attempt, signal }: InboxAttempt): Promise<DispatchResult> {
    const { messageId, sentAt, receivedAt, body: rawBody, secretIndex } = stored
    const scope = stored.scope || undefined
    const delivery = { messageId, attempt, signal, sentAt, receivedAt, rawBody, secretIndex, scope, context: undefined }
    const dispatch = await handlers.run(parseEnvelope(rawBody, messageId), delivery)
    if ('error' in dispatch) {
      failuresOf.set(dispatch.error, dispatch.failures)
      throw dispatch.error
    }
    if (dispatch.result === 'unhandled') reporter.warn(unhandledMessage(stored.eventType))
    return dispatch.result
  }

  return {
    name,
    process: processing ? processEvent : undefined,
    report(error, event, facts) {
      const subject = subjectOf(event, facts)
      const failures = failuresOf.get(error as WebhookError)
      if (failures === undefined) reporter.reportFailure(error, subject)
      else reporter.reportHandlerFailures(failures, subject)
    },
    note: (message) => reporter.warn(message),
  }
}

function unhandledMessage(eventType: string): string {
  return `No handler for '${eventType}'. Such events end as unhandled. You can replay them once you have added a handler.`
}

function subjectOf(event: InboxEvent | undefined, attempt: AttemptFacts | undefined): Subject {
  if (event === undefined) return { ids: {} }
  return { ids: { messageId: event.messageId, eventId: event.eventId, eventType: event.eventType }, attempt }
}
