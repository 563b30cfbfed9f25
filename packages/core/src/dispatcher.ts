import type { Delivery } from './delivery.ts'
import { SchemaMismatchError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import { type AnyHandler, combineFailures, HandlerRegistry } from './handlers.ts'
import type { HandlingSettings } from './handling-options.ts'
import type { EventFacts, Reporter } from './reporter.ts'
import type { StandardSchema } from './standard-schema.ts'
import { isThenable } from './thenable.ts'

/** `unhandled`: nothing failed, but no handler was there for the event. */
export type DispatchResult = 'handled' | 'unhandled'

/** Takes one verified event to its handlers: the schema of its type first, then every handler that wants it. */
export class Dispatcher<Context> {
  readonly #settings: HandlingSettings<Context>
  readonly #handlers: HandlerRegistry<Context>
  readonly #reporter: Reporter

  constructor(settings: HandlingSettings<Context>, reporter: Reporter, onEvent: object | undefined) {
    this.#settings = settings
    this.#handlers = new HandlerRegistry(settings.eventTypes)
    this.#reporter = reporter
    for (const [pattern, handler] of Object.entries(onEvent ?? {}))
      if (handler !== undefined) this.add(pattern, handler)
  }

  /** @throws {ConfigurationError} `configuration_invalid`: a malformed pattern, or a handler that is no function. */
  add(pattern: string, handler: AnyHandler<Context>): void {
    this.#handlers.add(pattern, handler)
  }

  /** Tells the operator of patterns that no event can match. */
  warnOfIdlePatterns(): void {
    for (const pattern of this.#handlers.idlePatterns()) {
      this.#reporter.warn(
        `No event type that this receiver knows matches '${pattern}'. Is it misspelt, or missing in eventTypes?`,
      )
    }
  }

  /**
   * Runs every handler of the event, one after the other, whether or not one fails.
   *
   * @throws {WebhookError} `schema_mismatch`, `handler_failed`, `retry_later` or `permanent_failure`; each was reported.
   */
  async dispatch(event: WebhookEvent, delivery: Delivery<Context>, facts: EventFacts): Promise<DispatchResult> {
    const { onUnknownEvent, schemas } = this.#settings
    const handlers = this.#handlers.select(event.event_type)
    if (handlers === undefined) {
      if (onUnknownEvent !== undefined) this.#reporter.callHook(() => onUnknownEvent(event, delivery))
      return 'unhandled'
    }
    const schema = schemas.get(event.event_type)
    const checked = schema === undefined ? event : await this.#checkData(event, schema, facts)
    const failures: unknown[] = []
    for (const handler of handlers) {
      try {
        const result = handler(checked, delivery)
        // A handler that returns no promise is done: nothing is gained by asking again a turn later.
        if (isThenable(result)) await result
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) {
      this.#reporter.handlersFailed(failures, facts)
      throw combineFailures(failures)
    }
    return handlers.length > 0 ? 'handled' : 'unhandled'
  }

  async #checkData(event: WebhookEvent, schema: StandardSchema, facts: EventFacts): Promise<WebhookEvent> {
    try {
      const result = await schema['~standard'].validate(event.data)
      if (result.issues === undefined) return { ...event, data: result.value }
      throw new SchemaMismatchError(event.event_type, result.issues)
    } catch (error) {
      const mismatch =
        error instanceof SchemaMismatchError ? error : new SchemaMismatchError(event.event_type, [], error)
      this.#reporter.handlersFailed([mismatch], facts)
      throw mismatch
    }
  }
}
