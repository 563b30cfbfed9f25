import type { Delivery } from './delivery.ts'
import { WebhookError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import { type AnyHandler, combineFailures, handlerRegistry, runHandlers } from './handlers.ts'
import type { HandlingSettings } from './handling-options.ts'
import type { Reporter, Subject } from './reporter.ts'
import type { StandardSchema } from './standard-schema.ts'

/** `unhandled`: nothing failed, but no handler was there for the event. */
export type DispatchResult = 'handled' | 'unhandled'

/** Takes one verified event to its handlers: the schema of its type first, then every handler that wants it. */
export interface Dispatcher<Context> {
  /** @throws {ConfigurationError} `configuration_invalid`: a malformed pattern, or a handler that is no function. */
  add(pattern: string, handler: AnyHandler<Context>): void
  /** Tells the operator of patterns that no event can match. */
  warnOfIdlePatterns(): void
  /**
   * Runs every handler of the event, one after the other, whether or not one fails.
   *
   * @returns a promise only where something has to be waited for.
   * @throws {WebhookError} (or rejects with) `schema_mismatch`, `handler_failed`, `retry_later` or `permanent_failure`; each
   * was reported.
   */
  dispatch(event: WebhookEvent, delivery: Delivery<Context>, subject: Subject): DispatchResult | Promise<DispatchResult>
}

export function createDispatcher<Context>(
  { eventTypes, onEvent, onUnknownEvent, schemas }: HandlingSettings<Context>,
  reporter: Reporter,
): Dispatcher<Context> {
  const { add, idlePatterns, select } = handlerRegistry<Context>(eventTypes)
  for (const [pattern, handler] of Object.entries(onEvent)) if (handler !== undefined) add(pattern, handler)

  function run(
    handlers: readonly AnyHandler<Context>[],
    event: WebhookEvent,
    delivery: Delivery<Context>,
    subject: Subject,
  ): DispatchResult | Promise<DispatchResult> {
    const failures: unknown[] = []
    const finish = (): DispatchResult => {
      if (failures.length === 0) return handlers.length > 0 ? 'handled' : 'unhandled'
      reporter.handlersFailed(failures, subject)
      throw combineFailures(failures)
    }
    return runHandlers(handlers, event, delivery, failures)?.then(finish) ?? finish()
  }

  async function checkData(event: WebhookEvent, schema: StandardSchema, subject: Subject): Promise<WebhookEvent> {
    let issues: readonly unknown[] = []
    let cause: unknown
    try {
      const result = await schema['~standard'].validate(event.data)
      if (result.issues === undefined) return { ...event, data: result.value }
      issues = result.issues
    } catch (error) {
      cause = error
    }
    const mismatch = new WebhookError('schema_mismatch', `${event.event_type}.`, { cause })
    reporter.handlersFailed([Object.defineProperty(mismatch, 'issues', { get: () => issues })], subject)
    throw mismatch
  }

  return {
    add,
    warnOfIdlePatterns() {
      for (const pattern of idlePatterns()) {
        reporter.warn(`No event type matches '${pattern}'.`)
      }
    },
    dispatch(event, delivery, subject) {
      const handlers = select(event.event_type)
      if (handlers === undefined) {
        reporter.callHook(() => onUnknownEvent?.(event, delivery))
        return 'unhandled'
      }
      const schema = schemas.get(event.event_type)
      if (schema === undefined) return run(handlers, event, delivery, subject)
      return checkData(event, schema, subject).then((checked) => run(handlers, checked, delivery, subject))
    },
  }
}
