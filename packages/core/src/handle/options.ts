import { type AlwaysSet, checkHooks, checkMethods, ownProperties, unexpected, withoutUndefined } from '../check.ts'
import {
  type EventSchemas,
  type EventType,
  type SchemaOutputs,
  type StandardSchema,
  scrapeNestEventTypes,
  type WebhookEvent,
} from '../events.ts'
import { defaultLogger, type Logger } from '../report/log.ts'
import type { ErrorContext } from '../report/reporter.ts'
import type { Delivery } from './delivery.ts'
import type { EventHandlers, HandlersOptions } from './handlers.ts'

/**
 * The options of receivers and workers that decide what happens to an event.
 *
 * @typeParam Schemas the type of `schemas`, inferred from it.
 */
export interface HandlingOptions<Events extends object, Context = unknown, Schemas = object> {
  /**
   * Separates the events of different endpoints that share a store or an inbox. Also the prefix of log lines.
   * @default 'scrapenest': events of two receivers with this name and the same id are duplicates
   */
  readonly name?: string | undefined
  /**
   * Handlers by pattern: `'artifact.ready'`, `'job.*'`, `'*'`. Add more with `receiver.onEvent`.
   * @default {}: no event has a handler. Without an inbox, events are acknowledged as `accepted` and reported to
   * `onDelivery` as `unhandled`. With an inbox, they end as `done`, marked `unhandled`
   */
  readonly onEvent?: EventHandlers<SchemaOutputs<Events, NoInfer<Schemas>>, Context> | undefined
  /**
   * Called for verified events whose type is not in the catalog. They are acknowledged even if it fails, because
   * ScrapeNest may add event types before this library knows them.
   * @default undefined: such events are acknowledged and otherwise ignored
   */
  readonly onUnknownEvent?: ((event: WebhookEvent, delivery: Delivery<Context>) => unknown) | undefined
  /**
   * Called for failures that need attention: a handler that threw, an unavailable store, a lost raw body. Not called for
   * refused deliveries. For unverified requests, called at most once a minute per code.
   * @default undefined: failures are only logged
   */
  readonly onError?: ((error: unknown, context: ErrorContext) => unknown) | undefined
  /**
   * A Standard Schema (zod, valibot, arktype, …) per event type. Its output replaces `data`, at run time and in the types.
   * If it rejects, no handler runs: without an inbox the reply is 500 `schema_mismatch`, with one the event is dead at
   * once.
   * @default {}: `data` is not checked
   */
  readonly schemas?: (Schemas & OnlyEventTypes<Events, Schemas>) | undefined
  /**
   * The event types of a custom catalog, instead of ScrapeNest's: include `scrapeNestEventTypes` to extend them. Types
   * named in `onEvent` or `schemas` need not be listed. `'*'` and families match other types only if they are listed here.
   * @default scrapeNestEventTypes
   */
  readonly eventTypes?: readonly EventType<Events>[] | undefined
  /**
   * Receives warnings and errors: any logger with pino's `warn` and `error`. A logger that the host attaches to the
   * request (Fastify's, pino-http's) takes precedence.
   * @default process warnings for warnings, which `NODE_NO_WARNINGS=1` hides, and stderr for errors
   */
  readonly logger?: Logger | undefined
}

/** Rejects schemas for misspelled event types at compile time: an inferred type parameter alone would allow any key. */
type OnlyEventTypes<Events extends object, Schemas> = {
  readonly [Type in Exclude<keyof Schemas, EventType<Events>>]?: never
}

/** The validated handling options, with defaults filled in. */
export type HandlingSettings<Context> = HandlersOptions<Context> &
  AlwaysSet<HandlingOptions<object, Context>, 'name' | 'logger'> &
  Pick<HandlingOptions<object, Context>, 'onError'>

export const handlingOptions: Readonly<Record<keyof HandlingOptions<object>, true>> = {
  eventTypes: true,
  logger: true,
  name: true,
  onError: true,
  onEvent: true,
  onUnknownEvent: true,
  schemas: true,
}

/**
 * Validates the handling options and fills in their defaults.
 *
 * @param options may include other options, whose defaults must already be filled in.
 * @throws {ConfigurationError} `configuration_invalid`, with the option and the fix.
 */
export function readHandlingOptions<Settings extends HandlingSettings<never>>(options: object): Settings {
  const settings = ownProperties({
    name: 'scrapenest',
    logger: defaultLogger,
    onEvent: {},
    schemas: {},
    eventTypes: scrapeNestEventTypes,
    ...withoutUndefined(options),
  }) as unknown as Settings
  const { name, onEvent, logger, eventTypes } = settings
  if (!/^[\w-]{1,64}$/.test(name)) throw unexpected('name', name, '1 to 64 letters, digits, "-" or "_"')
  if (!isPlainObject(onEvent))
    throw unexpected('onEvent', onEvent, "a plain object of handlers, such as { 'job.completed': handler }")
  if (!isPlainObject(settings.schemas))
    throw unexpected('schemas', settings.schemas, "a plain object of schemas, such as { 'job.completed': schema }")
  if (!Array.isArray(eventTypes) || eventTypes.some((type) => typeof type !== 'string')) {
    throw unexpected('eventTypes', eventTypes, 'a list of event types')
  }
  checkMethods('logger', logger, ['warn', 'error'])
  checkHooks(settings, ['onUnknownEvent', 'onError'])
  const schemas = readSchemas(settings.schemas as EventSchemas<object>)
  return ownProperties({ ...settings, schemas })
}

/** Also true for objects of another realm. Not for arrays, maps and class instances, whose entries would be overlooked. */
function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function readSchemas(schemas: Readonly<Record<string, StandardSchema | undefined>>): Map<string, StandardSchema> {
  const byType = new Map<string, StandardSchema>()
  for (const [eventType, schema] of Object.entries(schemas)) {
    if (schema === undefined) continue
    if (eventType.endsWith('*')) throw unexpected('each key of schemas', eventType, 'an event type, not a pattern')
    checkMethods(`the '~standard' of the schema of ${eventType}`, schema?.['~standard'], ['validate'])
    byType.set(eventType, schema)
  }
  return byType
}
