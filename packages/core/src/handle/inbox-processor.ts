import { checkKnownOptions } from '../check.ts'
import type { EventSchemas, ScrapeNestEvents } from '../events.ts'
import { createReporter, type Reporter, type Subject } from '../report/reporter.ts'
import { parseEnvelope } from '../verify/envelope.ts'
import { createHandlers, type DispatchResult, type Handlers } from './handlers.ts'
import type { InboxAttempt, InboxConsumer, InboxEvent } from './inbox.ts'
import { type HandlingOptions, type HandlingSettings, handlingOptions, readHandlingOptions } from './options.ts'

/**
 * The handlers of stored events in a process that receives nothing: what a worker runs.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function createInboxProcessor<
  Events extends object = ScrapeNestEvents,
  Schemas extends EventSchemas<Events> = Record<never, never>,
>(
  // NoInfer: as in createReceiver.
  options: HandlingOptions<NoInfer<Events>, never, Schemas>,
): InboxConsumer {
  checkKnownOptions(options, handlingOptions)
  const settings = readHandlingOptions<HandlingSettings<never>>(options)
  const reporter = createReporter(settings)
  const handlers = createHandlers(settings, reporter)
  warnOfIdlePatterns(handlers, reporter)
  return inboxConsumer({ name: settings.name, handlers, reporter, processing: true })
}

/** A receiver or worker as the consumer of an inbox. Its handlers get stored bytes and no context of the host. */
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
  async function processEvent(stored: InboxEvent, { attempt, signal }: InboxAttempt): Promise<DispatchResult> {
    const { messageId, sentAt, receivedAt, body: rawBody, secretIndex } = stored
    const scope = stored.scope || undefined
    const delivery = { messageId, attempt, signal, sentAt, receivedAt, rawBody, secretIndex, scope, context: undefined }
    const subject = subjectOf(stored)
    try {
      return await handlers.run(parseEnvelope(rawBody, messageId), delivery, subject)
    } catch (error) {
      reporter.reportFailure(error, subject)
      throw error
    }
  }
  return {
    name,
    process: processing ? processEvent : undefined,
    report: (error, event) => reporter.reportFailure(error, subjectOf(event)),
    note: (message) => reporter.warn(message),
  }
}

/** Warns of patterns that match no event type of the catalogue. */
export function warnOfIdlePatterns<Context>(handlers: Handlers<Context>, reporter: Reporter): void {
  for (const pattern of handlers.idlePatterns()) reporter.warn(`No event type matches '${pattern}'.`)
}

function subjectOf(event: InboxEvent | undefined): Subject {
  if (event === undefined) return { ids: {} }
  return { ids: { messageId: event.messageId, eventId: event.eventId, eventType: event.eventType } }
}
