import { unexpected } from '../check.ts'
import { asWebhookError, codeOf, retryAfterSecondsOf, SchemaMismatchError, type WebhookError } from '../errors.ts'
import type { EventOf, EventPattern, ScrapeNestEvents, StandardSchema, WebhookEvent } from '../events.ts'
import type { Reporter, Subject } from '../report/reporter.ts'
import type { Delivery } from './delivery.ts'

/**
 * Called with a verified event. Its result is awaited and otherwise ignored. If it throws, the sender (or the inbox)
 * retries, except after a `PermanentError`.
 */
export type EventHandler<Events extends object, Pattern extends EventPattern<Events>, Context = unknown> = (
  event: EventOf<Events, Pattern>,
  delivery: Delivery<Context>,
) => unknown

/** Handlers by pattern: the form of the `onEvent` option. */
export type EventHandlers<Events extends object = ScrapeNestEvents, Context = unknown> = {
  readonly [Pattern in EventPattern<Events>]?: EventHandler<Events, Pattern, Context> | undefined
}

/** A handler as it is kept. Typed at registration. */
export type AnyHandler<Context> = (event: WebhookEvent, delivery: Delivery<Context>) => unknown

/** `unhandled`: nothing failed, but no handler is registered for the event. */
export type DispatchResult = 'handled' | 'unhandled'

/** The handlers of a receiver or worker. */
export interface Handlers<Context> {
  /** @throws {ConfigurationError} `configuration_invalid`: a malformed pattern, or a handler that is not a function. */
  add(pattern: string, handler: AnyHandler<Context>): void
  /** Patterns that match no type of the catalogue, probably misspelt. */
  idlePatterns(): string[]
  /**
   * Runs the schema of the event's type, then every handler in order (exact type, family, `'*'`), whether or not one
   * fails.
   *
   * @param subject what failures are reported about.
   * @throws {WebhookError} `schema_mismatch`, `handler_failed`, `retry_later` or `permanent_failure`; already reported.
   */
  run(event: WebhookEvent, delivery: Delivery<Context>, subject: Subject): Promise<DispatchResult>
}

export interface HandlersOptions<Context> {
  readonly eventTypes: readonly string[]
  readonly onEvent: object
  readonly onUnknownEvent?: ((event: WebhookEvent, delivery: Delivery<Context>) => unknown) | undefined
  readonly schemas: ReadonlyMap<string, StandardSchema>
}

const patternGrammar = /^(\*|[^\s*.]+\.\*|[^\s*]+)$/

export function createHandlers<Context>(
  { eventTypes, onEvent, onUnknownEvent, schemas }: HandlersOptions<Context>,
  reporter: Reporter,
): Handlers<Context> {
  // Maps, not objects: an event of type "constructor" must find nothing.
  const byPattern = new Map<string, readonly AnyHandler<Context>[]>()
  /** The handlers of each type of the catalogue, in the order they run. */
  const byType = new Map<string, readonly AnyHandler<Context>[]>(eventTypes.map((type) => [type, []]))
  for (const [pattern, handler] of Object.entries(onEvent)) if (handler !== undefined) add(pattern, handler)

  function add(pattern: string, handler: AnyHandler<Context>): void {
    if (typeof pattern !== 'string' || !patternGrammar.test(pattern)) {
      throw unexpected('an event pattern', pattern, "a type, a family such as 'job.*', or '*'")
    }
    if (typeof handler !== 'function') throw unexpected(`the handler of '${pattern}'`, handler, 'a function')
    byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), handler])
    // A handler for a type adds it to the catalogue, because a catalogue given as a type parameter is gone at run time.
    if (!pattern.endsWith('*')) byType.set(pattern, [])
    // New lists, so that an event in progress keeps the one it started with.
    for (const type of byType.keys())
      byType.set(
        type,
        patternsOf(type).flatMap((match) => byPattern.get(match) ?? []),
      )
  }

  /** The event with the schema's output as its data. A schema that throws counts as one that rejects. */
  async function checkData(
    event: WebhookEvent,
    { schema, subject }: { readonly schema: StandardSchema; readonly subject: Subject },
  ): Promise<WebhookEvent> {
    let mismatch: SchemaMismatchError
    try {
      const result = await schema['~standard'].validate(event.data)
      if (result.issues === undefined) return { ...event, data: result.value }
      mismatch = new SchemaMismatchError(event.event_type, result.issues)
    } catch (cause) {
      mismatch = new SchemaMismatchError(event.event_type, [], { cause })
    }
    reporter.reportHandlerFailures([mismatch], subject)
    throw mismatch
  }

  return {
    add,
    idlePatterns() {
      const matching = new Set([...byType.keys()].flatMap(patternsOf))
      return [...byPattern.keys()].filter((pattern) => !matching.has(pattern))
    },
    async run(event, delivery, subject) {
      const handlers = byType.get(event.event_type)
      if (handlers === undefined) {
        reporter.callHook(() => onUnknownEvent?.(event, delivery))
        return 'unhandled'
      }
      const schema = schemas.get(event.event_type)
      const checked = schema === undefined ? event : await checkData(event, { schema, subject })
      const failures: unknown[] = []
      for (const handler of handlers) {
        try {
          await handler(checked, delivery)
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length === 0) return handlers.length > 0 ? 'handled' : 'unhandled'
      reporter.reportHandlerFailures(failures, subject)
      throw combineFailures(failures)
    },
  }
}

/** `'job.created'` is matched by itself, by `'job.*'` and by `'*'`. A type without a full stop is in no family. */
function patternsOf(eventType: string): string[] {
  const stop = eventType.indexOf('.')
  return stop > 0 ? [eventType, `${eventType.slice(0, stop)}.*`, '*'] : [eventType, '*']
}

/**
 * The one failure to answer with. A failure that can be retried wins over one that cannot, and one without a delay of
 * its own over one that names a delay.
 */
export function combineFailures(failures: readonly unknown[]): WebhookError {
  const retries = failures.filter((failure) => codeOf(failure) === 'retry_later')
  const others = failures.filter((failure) => !retries.includes(failure) && codeOf(failure) !== 'permanent_failure')
  if (others.length > 0) {
    const cause = others.length === 1 ? others[0] : new AggregateError(others, 'Several handlers failed.')
    return asWebhookError('handler_failed', cause)
  }
  const [first, ...rest] = (retries.length > 0 ? retries : failures) as [WebhookError, ...WebhookError[]]
  return rest.reduce((longest, one) => (retryAfterSecondsOf(one) > retryAfterSecondsOf(longest) ? one : longest), first)
}
