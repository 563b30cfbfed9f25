import { checkKnownOptions } from './check-options.ts'
import type { Delivery } from './delivery.ts'
import { Dispatcher } from './dispatcher.ts'
import { parseEnvelope } from './envelope.ts'
import type { ScrapeNestEvents } from './events.ts'
import { type HandlingOptions, handlingOptions, settleHandlingOptions } from './handling-options.ts'
import type { InboxAttempt, InboxEvent, InboxProcessor } from './inbox.ts'
import { type EventFacts, Reporter } from './reporter.ts'

/**
 * The handlers for stored events in a process that receives nothing: what a worker runs.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function createInboxProcessor<Events extends object = ScrapeNestEvents>(
  options: HandlingOptions<Events, never>,
): { readonly name: string; readonly process: InboxProcessor } {
  checkKnownOptions(options, handlingOptions)
  const settings = settleHandlingOptions(options)
  const reporter = new Reporter(settings)
  const dispatcher = new Dispatcher(settings, reporter, options.onEvent)
  dispatcher.warnOfIdlePatterns()
  return { name: settings.name, process: processInboxEvent(dispatcher, reporter) }
}

/** The handlers of a dispatcher in the form an inbox runs them: from stored bytes, without the host's request. */
export function processInboxEvent<Context>(dispatcher: Dispatcher<Context>, reporter: Reporter): InboxProcessor {
  return async (stored, attempt) => {
    const facts: EventFacts = { deliveryId: stored.messageId, eventId: stored.eventId, eventType: stored.eventType }
    try {
      const event = parseEnvelope(stored.body, stored.messageId)
      return await dispatcher.dispatch(event, deliveryOf(stored, attempt), facts)
    } catch (error) {
      reporter.failed(error, facts)
      throw error
    }
  }
}

function deliveryOf(stored: InboxEvent, { attempt, signal }: InboxAttempt): Delivery<never> {
  const { messageId, sentAt, receivedAt, body, secretIndex } = stored
  return { id: messageId, sentAt, receivedAt, attempt, signal, rawBody: body, secretIndex, context: undefined }
}
