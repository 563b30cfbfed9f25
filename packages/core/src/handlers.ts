import { unexpected } from './check-options.ts'
import type { Delivery } from './delivery.ts'
import { codeOf, failureOf, retryAfterSecondsOf, type WebhookError } from './errors.ts'
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

const patternGrammar = /^(\*|[^\s*.]+\.\*|[^\s*]+)$/

/** Which handlers an event goes to: exact type first, then family, then `'*'`, each in order of registration. */
export interface HandlerRegistry<Context> {
  /** @throws {ConfigurationError} `configuration_invalid`: a pattern of another form, or a handler that is no function. */
  add(pattern: string, handler: AnyHandler<Context>): void
  /** Patterns that no type of the catalogue matches: they are probably misspelt. */
  idlePatterns(): string[]
  /** @returns nothing for a type outside the catalogue: such an event reaches no typed handler. */
  select(eventType: string): readonly AnyHandler<Context>[] | undefined
}

export function handlerRegistry<Context>(eventTypes: readonly string[]): HandlerRegistry<Context> {
  // Maps, not objects: an event of type "constructor" must find nothing.
  const byPattern = new Map<string, AnyHandler<Context>[]>()
  /** For each type of the catalogue, chosen when a handler is added and not when an event comes. */
  const byType = new Map<string, AnyHandler<Context>[]>(eventTypes.map((type) => [type, []]))
  return {
    add(pattern, handler) {
      if (typeof pattern !== 'string' || !patternGrammar.test(pattern)) {
        throw unexpected('an event pattern', pattern, "a type, a family such as 'job.*', or '*'")
      }
      if (typeof handler !== 'function') throw unexpected(`the handler of '${pattern}'`, handler, 'a function')
      byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), handler])
      // Naming a type is knowing it: a catalogue given by type parameter alone is not visible at run time.
      if (!pattern.endsWith('*')) byType.set(pattern, [])
      for (const type of byType.keys()) {
        // A new list each time: an event that is being dispatched goes on with the one it began with.
        byType.set(
          type,
          patternsOf(type).flatMap((selecting) => byPattern.get(selecting) ?? []),
        )
      }
    },
    idlePatterns() {
      const matching = [...byType.keys()].flatMap(patternsOf)
      return [...byPattern.keys()].filter((pattern) => !matching.includes(pattern))
    },
    select: (eventType) => byType.get(eventType),
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
): Promise<unknown> | undefined {
  const failed = (error: unknown): void => void failures.push(error)
  let running: Promise<unknown> | undefined
  for (const handler of handlers) {
    const run = (): unknown => handler(event, delivery)
    if (running !== undefined) {
      running = running.then(run).catch(failed)
      continue
    }
    try {
      const result = run()
      if (isThenable(result)) running = Promise.resolve(result).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
  return running
}

/**
 * What several failures come to: whatever can be retried wins over what cannot, and a failure without a wish of its own
 * over one that names a time.
 */
export function combineFailures(failures: readonly unknown[]): WebhookError {
  const others = failures.filter((failure) => waitOf(failure) < 0)
  if (others.length === 0) {
    const wishes = failures as readonly WebhookError[]
    return wishes.reduce((one, other) => (waitOf(other) > waitOf(one) ? other : one))
  }
  const cause = others.length === 1 ? others[0] : new AggregateError(others, 'Several handlers failed.')
  return failureOf('handler_failed', cause)
}

/** How many seconds a failure asks to wait: 0 for one that is not to be tried again, less than that where it has no wish. */
function waitOf(failure: unknown): number {
  const code = codeOf(failure)
  if (code === 'permanent_failure') return 0
  return code === 'retry_later' ? retryAfterSecondsOf(failure) : -1
}
