import type { Delivery } from './delivery.ts'
import { SchemaMismatchError } from './errors.ts'
import type { WebhookEvent } from './events.ts'
import { type AnyHandler, combineFailures, HandlerRegistry, runHandlers } from './handlers.ts'
import type { HandlingSettings } from './handling-options.ts'
import type { EventFacts, Reporter } from './reporter.ts'
import type { StandardSchema } from './standard-schema.ts'

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
      this.#reporter.warn(`No known event type matches '${pattern}'. Misspelt, or missing in eventTypes?`)
    }
  }

  /**
   * Runs every handler of the event, one after the other, whether or not one fails.
   *
   * @returns a promise only where something has to be waited for.
   * @throws {WebhookError} (or rejects with) `schema_mismatch`, `handler_failed`, `retry_later` or `permanent_failure`; each
   * was reported.
   */
  dispatch(
    event: WebhookEvent,
    delivery: Delivery<Context>,
    facts: EventFacts,
  ): DispatchResult | Promise<DispatchResult> {
    const { onUnknownEvent, schemas } = this.#settings
    const handlers = this.#handlers.select(event.event_type)
    if (handlers === undefined) {
      if (onUnknownEvent !== undefined) this.#reporter.callHook(() => onUnknownEvent(event, delivery))
      return 'unhandled'
    }
    const schema = schemas.get(event.event_type)
    if (schema === undefined) return this.#run(handlers, event, delivery, facts)
    return this.#checkData(event, schema, facts).then((checked) => this.#run(handlers, checked, delivery, facts))
  }

  #run(
    handlers: readonly AnyHandler<Context>[],
    event: WebhookEvent,
    delivery: Delivery<Context>,
    facts: EventFacts,
  ): DispatchResult | Promise<DispatchResult> {
    const failures: unknown[] = []
    const finish = (): DispatchResult => {
      if (failures.length === 0) return handlers.length > 0 ? 'handled' : 'unhandled'
      this.#reporter.handlersFailed(failures, facts)
      throw combineFailures(failures)
    }
    const running = runHandlers(handlers, event, delivery, failures)
    return running === undefined ? finish() : running.then(finish)
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
