import type { Delivery } from './delivery.ts'
import { ConfigurationError, codeOf, HandlerFailedError, type PermanentError, type RetryLaterError } from './errors.ts'
import type { EventOf, EventPattern, WebhookEvent } from './events.ts'
import { isThenable } from './thenable.ts'

/**
 * Called with a verified event. What it returns is awaited and otherwise ignored; what it throws makes the sender (or the
 * inbox) try again, unless it is a `PermanentError`.
 */
export type EventHandler<Events extends object, Pattern extends EventPattern<Events>, Context = unknown> = (
  event: EventOf<Events, Pattern>,
  delivery: Delivery<Context>,
) => unknown

/** Handlers by pattern: the form of the `onEvent` option. */
export type EventHandlers<Events extends object, Context = unknown> = {
  readonly [Pattern in EventPattern<Events>]?: EventHandler<Events, Pattern, Context> | undefined
}

/** A handler as the registry keeps it. The types were checked where it was registered. */
export type AnyHandler<Context> = (event: WebhookEvent, delivery: Delivery<Context>) => unknown

const patternGrammar = /^(?:\*|[^\s*.]+\.\*|[^\s*]+)$/

/** Which handlers an event goes to: exact type first, then family, then `'*'`, each in order of registration. */
export class HandlerRegistry<Context> {
  readonly #eventTypes: Set<string>
  // A Map, not an object: an event of type "constructor" must find nothing.
  readonly #byPattern = new Map<string, readonly AnyHandler<Context>[]>()

  constructor(eventTypes: Iterable<string>) {
    this.#eventTypes = new Set(eventTypes)
  }

  /** @throws {ConfigurationError} `configuration_invalid`: a pattern of another form, or a handler that is no function. */
  add(pattern: string, handler: AnyHandler<Context>): void {
    if (typeof pattern !== 'string' || !patternGrammar.test(pattern)) {
      throw new ConfigurationError(
        `${JSON.stringify(pattern)} is no event pattern. Use a type, a family such as 'job.*', or '*'.`,
      )
    }
    if (typeof handler !== 'function') {
      throw new ConfigurationError(`Expected the handler of '${pattern}' to be a function, got ${typeof handler}.`)
    }
    // Naming a type is knowing it: a catalogue given by type parameter alone is not visible at run time.
    if (!pattern.endsWith('*')) this.#eventTypes.add(pattern)
    // A new list each time: an event that is being dispatched goes on with the one it began with.
    this.#byPattern.set(pattern, [...(this.#byPattern.get(pattern) ?? []), handler])
  }

  /** Whether the catalogue has this type; an event outside it reaches no typed handler. */
  knows(eventType: string): boolean {
    return this.#eventTypes.has(eventType)
  }

  /** Whether a pattern selects any type of the catalogue: if not, it is probably misspelt. */
  selectsSomething(pattern: string): boolean {
    if (pattern === '*') return true
    for (const type of this.#eventTypes) if (type === pattern || familyOf(type) === pattern) return true
    return false
  }

  select(eventType: string): readonly AnyHandler<Context>[] {
    const exact = this.#byPattern.get(eventType)
    const family = this.#byPattern.get(familyOf(eventType))
    const all = this.#byPattern.get('*')
    if (family === undefined && all === undefined) return exact ?? []
    return [...(exact ?? []), ...(family ?? []), ...(all ?? [])]
  }
}

/** `'job.created'` gives `'job.*'`; a type without a full stop is in no family. */
function familyOf(eventType: string): string {
  const stop = eventType.indexOf('.')
  return stop > 0 ? `${eventType.slice(0, stop)}.*` : ''
}

/**
 * Runs all handlers, one after the other, whether or not one fails.
 *
 * @returns what they threw, in their order; empty when all succeeded.
 */
export async function runHandlers<Context>(
  handlers: readonly AnyHandler<Context>[],
  event: WebhookEvent,
  delivery: Delivery<Context>,
): Promise<readonly unknown[]> {
  let failures: unknown[] | undefined
  for (const handler of handlers) {
    try {
      const result = handler(event, delivery)
      // A handler that returns no promise is done: nothing is gained by asking again a turn later.
      if (isThenable(result)) await result
    } catch (error) {
      failures ??= []
      failures.push(error)
    }
  }
  return failures ?? none
}

const none: readonly unknown[] = []

/**
 * What several failures come to: whatever can be retried wins over what cannot, and a failure without a wish of its own
 * over one that names a time.
 */
export function combineFailures(failures: readonly unknown[]): HandlerFailedError | RetryLaterError | PermanentError {
  let permanent: PermanentError | undefined
  let latest: RetryLaterError | undefined
  const unexpected: unknown[] = []
  for (const failure of failures) {
    const code = codeOf(failure)
    if (code === 'permanent_failure') permanent ??= failure as PermanentError
    else if (code === 'retry_later') latest = later(latest, failure as RetryLaterError)
    else unexpected.push(failure)
  }
  if (unexpected.length === 1) return new HandlerFailedError(unexpected[0])
  if (unexpected.length > 1) return new HandlerFailedError(new AggregateError(unexpected, 'Several handlers failed.'))
  return latest ?? (permanent as PermanentError)
}

function later(one: RetryLaterError | undefined, other: RetryLaterError): RetryLaterError {
  return one === undefined || other.retryAfterSeconds > one.retryAfterSeconds ? other : one
}
