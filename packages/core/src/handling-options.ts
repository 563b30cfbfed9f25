import { checkHooks, checkMethods, defined, unexpected } from './check-options.ts'
import type { Delivery } from './delivery.ts'
import type { WebhookErrorCode } from './errors.ts'
import { type EventType, scrapeNestEventTypes, type WebhookEvent } from './events.ts'
import type { EventHandlers } from './handlers.ts'
import { type Logger, processWarnings } from './logger.ts'
import type { StandardSchema } from './standard-schema.ts'

/** The options that say what is done with an event: a receiver has them, and so has a worker without one. */
export interface HandlingOptions<Events extends object, Context = unknown> {
  /**
   * Scopes what is remembered of events: two endpoints with different names may share a store.
   * @default 'scrapenest'
   */
  readonly name?: string | undefined
  /** Handlers by pattern: `'artifact.ready'`, `'job.*'`, `'*'`. More can be added with `receiver.onEvent`. */
  readonly onEvent?: EventHandlers<Events, Context> | undefined
  /**
   * Told of verified events whose type is not in the catalogue. They are acknowledged whatever it does, because the
   * sender adds events before we do.
   */
  readonly onUnknownEvent?: ((event: WebhookEvent, delivery: Delivery<Context>) => unknown) | undefined
  /** Told of every failure that its operator should know: what a handler threw, a store out of reach, lost raw bytes. */
  readonly onError?: ((error: unknown, context: ErrorContext) => unknown) | undefined
  /** A Standard Schema (zod, valibot, arktype, …) per event type. What it gives replaces `data`; what it refuses gets 500. */
  readonly schemas?: { readonly [Type in EventType<Events>]?: StandardSchema<Events[Type]> | undefined } | undefined
  /**
   * The types of a catalogue of your own. Types that `onEvent` or `schemas` name are known without it; `'*'` and families
   * see the others only if they stand here.
   * @default scrapeNestEventTypes
   */
  readonly eventTypes?: readonly EventType<Events>[] | undefined
  /**
   * Where to write warnings and errors: anything with pino's `warn` and `error`. A logger that the host gives with the
   * request (Fastify's, pino-http's) comes first.
   * @default Node's process warnings, on stderr
   */
  readonly logger?: Logger | undefined
}

/** What `onError` is told besides the error. Never holds `data`: a `download_url` is a credential. */
export interface ErrorContext {
  readonly code: WebhookErrorCode
  readonly deliveryId?: string | undefined
  readonly eventId?: string | undefined
  readonly eventType?: string | undefined
}

/** The handling options with every default filled in and every rule checked. */
export interface HandlingSettings<Context> {
  readonly name: string
  readonly onEvent: object
  readonly onUnknownEvent?: (event: WebhookEvent, delivery: Delivery<Context>) => unknown
  readonly onError?: (error: unknown, context: ErrorContext) => unknown
  readonly schemas: ReadonlyMap<string, StandardSchema>
  readonly eventTypes: readonly string[]
  readonly logger: Logger
}

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
 * @param options with a default for each option that is not of handling.
 * @throws {ConfigurationError} `configuration_invalid`, with the option and what to do about it.
 */
export function settleHandlingOptions<Settings extends HandlingSettings<never>>(options: object): Settings {
  const settings = {
    name: 'scrapenest',
    logger: processWarnings,
    onEvent: {},
    schemas: {},
    eventTypes: scrapeNestEventTypes,
    ...defined(options),
  } as unknown as Settings
  const { name, onEvent, eventTypes } = settings
  if (!/^[\w-]{1,64}$/.test(name)) throw unexpected('name', name, '1 to 64 letters, digits, "-" or "_"')
  checkMethods('logger', settings.logger, ['warn', 'error'])
  checkHooks(settings as { now?: unknown; onDelivery?: unknown } & Settings, [
    'onUnknownEvent',
    'onError',
    'onDelivery',
    'now',
  ])
  if (typeof onEvent !== 'object') throw unexpected('onEvent', onEvent, 'an object')
  const schemas = new Map<string, StandardSchema>()
  for (const [eventType, schema] of Object.entries(settings.schemas as object)) {
    if (schema === undefined) continue
    checkMethods(`the '~standard' of the schema of ${eventType}`, schema?.['~standard'], ['validate'])
    schemas.set(eventType, schema)
  }
  return { ...settings, schemas, eventTypes: [...eventTypes, ...schemas.keys()] }
}
