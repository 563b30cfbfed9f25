import { checkKnownOptions } from './check-options.ts'
import { createDispatcher, type Dispatcher, type DispatchResult } from './dispatcher.ts'
import { parseEnvelope } from './envelope.ts'
import type { ScrapeNestEvents } from './events.ts'
import {
  type HandlingOptions,
  type HandlingSettings,
  handlingOptions,
  settleHandlingOptions,
} from './handling-options.ts'
import type { InboxAttempt, InboxEvent, InboxUser } from './inbox.ts'
import { createReporter, type Reporter, type Subject } from './reporter.ts'

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
  const settings = settleHandlingOptions<HandlingSettings<never>>(options)
  const reporter = createReporter(settings)
  const dispatcher = createDispatcher(settings, reporter)
  dispatcher.warnOfIdlePatterns()
  return inboxUser(settings.name, dispatcher, reporter)
}

/** Who a dispatcher is to its inbox: its handlers run from stored bytes, without the host's request. */
export function inboxUser<Context>(
  name: string,
  { dispatch }: Dispatcher<Context>,
  { failed }: Reporter,
  processing = true,
): InboxUser {
  async function process(stored: InboxEvent, { attempt, signal }: InboxAttempt): Promise<DispatchResult> {
    const { messageId: id, sentAt, receivedAt, body: rawBody, secretIndex } = stored
    const delivery = { id, attempt, signal, sentAt, receivedAt, rawBody, secretIndex, context: undefined }
    const subject = subjectOf(stored)
    try {
      return await dispatch(parseEnvelope(rawBody, id), delivery, subject)
    } catch (error) {
      failed(error, subject)
      throw error
    }
  }
  return {
    name,
    process: processing ? process : undefined,
    // What went wrong around the handlers is told where their own failures are told.
    report: (error, event) => failed(error, subjectOf(event)),
  }
}

function subjectOf(event: InboxEvent | undefined): Subject {
  return { facts: { deliveryId: event?.messageId, eventId: event?.eventId, eventType: event?.eventType } }
}
