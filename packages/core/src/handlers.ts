import { unexpected } from './check-options.ts'
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
  // Maps, not objects: an event of type "constructor" must find nothing.
  readonly #byPattern = new Map<string, AnyHandler<Context>[]>()
  /** For each type of the catalogue, chosen when a handler is added and not when an event comes. */
  readonly #byType = new Map<string, readonly AnyHandler<Context>[]>()

  constructor(eventTypes: Iterable<string>) {
    for (const type of eventTypes) this.#byType.set(type, [])
  }

  /** @throws {ConfigurationError} `configuration_invalid`: a pattern of another form, or a handler that is no function. */
  add(pattern: string, handler: AnyHandler<Context>): void {
    if (typeof pattern !== 'string' || !patternGrammar.test(pattern)) {
      throw new ConfigurationError(
        `${JSON.stringify(pattern)} is no event pattern. Use a type, a family such as 'job.*', or '*'.`,
      )
    }
    if (typeof handler !== 'function') throw unexpected(`the handler of '${pattern}'`, handler, 'a function')
    this.#byPattern.set(pattern, [...(this.#byPattern.get(pattern) ?? []), handler])
    // Naming a type is knowing it: a catalogue given by type parameter alone is not visible at run time.
    if (!pattern.endsWith('*')) this.#byType.set(pattern, [])
    for (const type of this.#byType.keys()) {
      // A new list each time: an event that is being dispatched goes on with the one it began with.
      this.#byType.set(
        type,
        patternsOf(type).flatMap((selecting) => this.#byPattern.get(selecting) ?? []),
      )
    }
  }

  /** Patterns that no type of the catalogue matches: they are probably misspelt. */
  idlePatterns(): string[] {
    const matching = new Set([...this.#byType.keys()].flatMap(patternsOf))
    return [...this.#byPattern.keys()].filter((pattern) => !matching.has(pattern))
  }

  /** @returns nothing for a type outside the catalogue: such an event reaches no typed handler. */
  select(eventType: string): readonly AnyHandler<Context>[] | undefined {
    return this.#byType.get(eventType)
  }
}

/** `'job.created'` is selected by itself, by `'job.*'` and by `'*'`; a type without a full stop is in no family. */
function patternsOf(eventType: string): string[] {
  const stop = eventType.indexOf('.')
  return stop > 0 ? [eventType, `${eventType.slice(0, stop)}.*`, '*'] : [eventType, '*']
}

/**
 * Runs handlers one after the other, whether or not one fails.
 *
 * @param failures gets what they throw.
 * @returns nothing where no handler has to be waited for.
 */
export function runHandlers<Context>(
  handlers: readonly AnyHandler<Context>[],
  event: WebhookEvent,
  delivery: Delivery<Context>,
  failures: unknown[],
): Promise<void> | undefined {
  let started = 0
  for (const handler of handlers) {
    started += 1
    try {
      const result = handler(event, delivery)
      if (isThenable(result)) return runRest(result, handlers.slice(started), event, delivery, failures)
    } catch (error) {
      failures.push(error)
    }
  }
  return undefined
}

async function runRest<Context>(
  running: PromiseLike<unknown>,
  rest: readonly AnyHandler<Context>[],
  ...[event, delivery, failures]: [WebhookEvent, Delivery<Context>, unknown[]]
): Promise<void> {
  try {
    await running
  } catch (error) {
    failures.push(error)
  }
  await runHandlers(rest, event, delivery, failures)
}

/**
 * What several failures come to: whatever can be retried wins over what cannot, and a failure without a wish of its own
 * over one that names a time.
 */
export function combineFailures(failures: readonly unknown[]): HandlerFailedError | RetryLaterError | PermanentError {
  let permanent: PermanentError | undefined
  let latest: RetryLaterError | undefined
  const others: unknown[] = []
  for (const failure of failures) {
    const code = codeOf(failure)
    if (code === 'permanent_failure') permanent ??= failure as PermanentError
    else if (code === 'retry_later') latest = later(latest, failure as RetryLaterError)
    else others.push(failure)
  }
  if (others.length === 1) return new HandlerFailedError(others[0])
  if (others.length > 1) return new HandlerFailedError(new AggregateError(others, 'Several handlers failed.'))
  return latest ?? (permanent as PermanentError)
}

function later(one: RetryLaterError | undefined, other: RetryLaterError): RetryLaterError {
  return one === undefined || other.retryAfterSeconds > one.retryAfterSeconds ? other : one
}
