import { closestTo, unexpected } from '../check.ts'
import { asWebhookError, codeOf, retryAfterSecondsOf, SchemaMismatchError, type WebhookError } from '../errors.ts'
import type { EventOf, EventPattern, ScrapeNestEvents, StandardSchema, WebhookEvent } from '../events.ts'
import type { Reporter } from '../report/reporter.ts'
import type { Delivery } from './delivery.ts'

/**
 * Handles a verified event. The result is awaited and otherwise ignored. If the handler throws, the sender or the inbox
 * retries, unless it throws a `PermanentError`.
 */
export type EventHandler<Events extends object, Pattern extends EventPattern<Events>, Context = unknown> = (
  event: EventOf<Events, Pattern>,
  delivery: Delivery<Context>,
) => unknown

/** The `onEvent` option: handlers by pattern. */
export type EventHandlers<Events extends object = ScrapeNestEvents, Context = unknown> = {
  readonly [Pattern in EventPattern<Events>]?: EventHandler<Events, Pattern, Context> | undefined
}

/** A registered handler. Typed at registration. */
export type AnyHandler<Context> = (event: WebhookEvent, delivery: Delivery<Context>) => unknown

/** `unhandled`: nothing failed, but no handler is registered for the event. */
export type DispatchResult = 'handled' | 'unhandled'

/** How an event ended: a result, or all failures and the error that decides the reply or the retry. */
type Dispatch =
  | { readonly result: DispatchResult }
  | { readonly error: WebhookError; readonly failures: readonly unknown[] }

/** The handlers of a receiver or worker. */
export interface Handlers<Context> {
  /** @throws {ConfigurationError} `configuration_invalid`: the pattern is malformed, or the handler is not a function. */
  add(pattern: string, handler: AnyHandler<Context>): void
  /** Warns about patterns and types of schemas that are probably misspelled. Called before the first event is handled. */
  begin(): void
  /**
   * Runs the schema of the event's type, then every handler in order (exact type, family, `'*'`), even if one fails.
   * Never rejects. The caller reports failures.
   */
  run(event: WebhookEvent, delivery: Delivery<Context>): Promise<Dispatch>
}

export interface HandlersOptions<Context> {
  readonly eventTypes: readonly string[]
  readonly onEvent: object
  readonly onUnknownEvent?: ((event: WebhookEvent, delivery: Delivery<Context>) => unknown) | undefined
  readonly schemas: ReadonlyMap<string, StandardSchema>
}

const maxUnhandledTypes = 1000

const patternGrammar = /^(\*|[^\s*.]+\.\*|[^\s*]+)$/

export function createHandlers<Context>(
  { eventTypes, onEvent, onUnknownEvent, schemas }: HandlersOptions<Context>,
  reporter: Reporter,
): Handlers<Context> {
  // Maps, not objects: an event of type "constructor" must not find an inherited property.
  const byPattern = new Map<string, readonly AnyHandler<Context>[]>()
  /** The handlers of each type in the catalog, in the order they run. */
  const byType = new Map<string, readonly AnyHandler<Context>[]>(
    [...eventTypes, ...schemas.keys()].map((type) => [type, []]),
  )
  /** The number of events of each type that ended without a handler. */
  const unhandled = new Map<string, number>()
  for (const [pattern, handler] of Object.entries(onEvent)) if (handler !== undefined) add(pattern, handler)

  function add(pattern: string, handler: AnyHandler<Context>): void {
    if (typeof pattern !== 'string' || !patternGrammar.test(pattern)) {
      throw unexpected('an event pattern', pattern, "a type, a family such as 'job.*', or '*'")
    }
    if (typeof handler !== 'function') throw unexpected(`the handler of '${pattern}'`, handler, 'a function')
    byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), handler])
    // Adds the type to the known ones: a catalog that is only a type parameter does not exist at run time.
    if (!pattern.endsWith('*')) byType.set(pattern, [])
    // New lists, so that an event in progress keeps the list it started with.
    for (const type of byType.keys())
      byType.set(
        type,
        patternsOf(type).flatMap((match) => byPattern.get(match) ?? []),
      )
  }

  /** Warns about a handler that was added after events for it had arrived. */
  function warnIfLate(pattern: string): void {
    let missed = 0
    for (const [type, count] of unhandled) if (patternsOf(type).includes(pattern)) missed += count
    if (missed === 0) return
    reporter.warn(
      `The handler for '${pattern}' was added late: ${missed} ${missed === 1 ? 'event' : 'events'} had already ended without a handler. Add handlers before the receiver starts. An inbox can replay unhandled events.`,
    )
  }

  /** Returns the event with the schema's output as its data. A schema that throws counts as rejecting. */
  async function checkData(event: WebhookEvent, schema: StandardSchema): Promise<WebhookEvent | SchemaMismatchError> {
    try {
      const result = await schema['~standard'].validate(event.data)
      // Hand-written schemas may return a single issue, or null for none.
      if (result.issues) return new SchemaMismatchError(event.event_type, [result.issues].flat())
      return { ...event, data: result.value }
    } catch (cause) {
      return new SchemaMismatchError(event.event_type, [], { cause })
    }
  }

  function endUnhandled(type: string): Dispatch {
    // Bounded, because senders can invent types.
    if (unhandled.has(type) || unhandled.size < maxUnhandledTypes) unhandled.set(type, (unhandled.get(type) ?? 0) + 1)
    return { result: 'unhandled' }
  }

  return {
    add(pattern, handler) {
      add(pattern, handler)
      warnIfLate(pattern)
    },
    begin() {
      const types = [...byType.keys()]
      const matching = new Set(types.flatMap(patternsOf))
      for (const pattern of byPattern.keys())
        if (!matching.has(pattern)) reporter.warn(`No event type matches '${pattern}'.`)
      for (const name of new Set([...byPattern.keys(), ...schemas.keys()])) {
        const meant = eventTypes.includes(name) ? undefined : closestTo(name, eventTypes)
        if (meant !== undefined)
          reporter.warn(`'${name}' is not an event type in the catalog. Did you mean '${meant}'?`)
      }
    },
    async run(event, delivery) {
      const handlers = byType.get(event.event_type)
      if (handlers === undefined) {
        if (onUnknownEvent === undefined) return endUnhandled(event.event_type)
        reporter.callHook(() => onUnknownEvent(event, delivery))
        return { result: 'handled' }
      }
      const schema = schemas.get(event.event_type)
      const checked = schema === undefined ? event : await checkData(event, schema)
      if (checked instanceof SchemaMismatchError) return { error: checked, failures: [checked] }
      const failures = await failuresIn(handlers, checked, delivery)
      if (failures.length > 0) return { error: combineFailures(failures), failures }
      return handlers.length > 0 ? { result: 'handled' } : endUnhandled(event.event_type)
    },
  }
}

/** Runs the handlers in sequence, even if one fails, and returns what they threw. */
async function failuresIn<Context>(
  handlers: readonly AnyHandler<Context>[],
  event: WebhookEvent,
  delivery: Delivery<Context>,
): Promise<readonly unknown[]> {
  const failures: unknown[] = []
  for (const handler of handlers) {
    try {
      await handler(event, delivery)
    } catch (error) {
      failures.push(error)
    }
  }
  return failures
}

/** The patterns that match a type: `'job.created'`, `'job.*'` and `'*'`. A type without a period has no family. */
function patternsOf(eventType: string): string[] {
  const stop = eventType.indexOf('.')
  return stop > 0 ? [eventType, `${eventType.slice(0, stop)}.*`, '*'] : [eventType, '*']
}

/**
 * The failure that decides the reply. Retryable failures take precedence over permanent ones, and those without a delay
 * over those with one. Of several delays, the longest applies.
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
