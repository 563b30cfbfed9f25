import { checkKnownOptions } from './check-options.ts'
import type { Delivery } from './delivery.ts'
import { Dispatcher } from './dispatcher.ts'
import { parseEnvelope } from './envelope.ts'
import type { ScrapeNestEvents } from './events.ts'
import { type HandlingOptions, handlingOptions, settleHandlingOptions } from './handling-options.ts'
import type { InboxAttempt, InboxEvent, InboxProcessor, InboxUser } from './inbox.ts'
import { type EventFacts, Reporter } from './reporter.ts'

/**
 * The handlers for stored events in a process that receives nothing: what a worker runs.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function createInboxProcessor<Events extends object = ScrapeNestEvents>(
  // Not inferred, as in `createReceiver`.
  options: HandlingOptions<NoInfer<Events>, never>,
): InboxUser {
  checkKnownOptions(options, handlingOptions)
  const settings = settleHandlingOptions(options)
  const reporter = new Reporter(settings)
  const dispatcher = new Dispatcher(settings, reporter, options.onEvent)
  dispatcher.warnOfIdlePatterns()
  const { name } = settings
  return { name, process: processInboxEvent(dispatcher, reporter), report: reportInboxFailure(reporter) }
}

/** The handlers of a dispatcher in the form an inbox runs them: from stored bytes, without the host's request. */
export function processInboxEvent<Context>(dispatcher: Dispatcher<Context>, reporter: Reporter): InboxProcessor {
  return async (stored, attempt) => {
    const facts = factsOf(stored)
    try {
      const event = parseEnvelope(stored.body, stored.messageId)
      return await dispatcher.dispatch(event, deliveryOf(stored, attempt), facts)
    } catch (error) {
      reporter.failed(error, facts)
      throw error
    }
  }
}

/** What went wrong around the handlers, told where their own failures are told. */
export function reportInboxFailure(reporter: Reporter): InboxUser['report'] {
  return (error, event) => reporter.failed(error, event === undefined ? {} : factsOf(event))
}

function factsOf({ messageId, eventId, eventType }: InboxEvent): EventFacts {
  return { deliveryId: messageId, eventId, eventType }
}

function deliveryOf(stored: InboxEvent, { attempt, signal }: InboxAttempt): Delivery<never> {
  const { messageId, sentAt, receivedAt, body, secretIndex } = stored
  return { id: messageId, sentAt, receivedAt, attempt, signal, rawBody: body, secretIndex, context: undefined }
}
