import { setImmediate } from 'node:timers'
import { checkKnownOptions, unexpected } from '../check.ts'
import { ConfigurationError } from '../errors.ts'
import type { ScrapeNestEvents, StandardSchema } from '../events.ts'
import { type ReceiverOptions, readReceiverOptions } from './options.ts'
import { createReceiverFrom, type Receiver } from './receiver.ts'

/**
 * The part of a receiver that adapters use, for any catalog.
 *
 * @typeParam Context the context of the adapter's host. A receiver of `unknown` fits every host.
 */
export type ReadyReceiver<Context = unknown> = Pick<
  Receiver<ScrapeNestEvents, Context>,
  'receive' | 'start' | 'close'
> &
  Partial<Pick<Receiver<ScrapeNestEvents, Context>, 'report'>>

/** Every adapter also accepts a ready receiver, which it neither starts nor closes. */
export interface WithReceiver<Ready = ReadyReceiver> {
  /** A receiver from `createReceiver`, whose owner starts and closes it. */
  readonly receiver: Ready
}

/**
 * The options of a non-generic adapter: those of a receiver, or a ready receiver.
 *
 * Schemas must keep the shape of the catalog, because their output is not inferred here. For a schema that transforms
 * `data`, pass a receiver from `createReceiver`, which infers it.
 */
export type ReceiverOrOptions<Context> =
  | (Omit<ReceiverOptions<ScrapeNestEvents, Context, Record<never, never>>, 'schemas'> & {
      readonly schemas?: CatalogSchemas | undefined
    })
  | WithReceiver<ReadyReceiver<Context>>

/** Schemas whose output has the shape of the catalog. */
export type CatalogSchemas = {
  readonly [Type in keyof ScrapeNestEvents]?: StandardSchema<ScrapeNestEvents[Type]> | undefined
}

/** The options of `resolveReceiver`. */
export interface ResolveOptions {
  /**
   * Who starts the receiver. `next turn`: with `onEvent` among the options, it starts in the next turn of the event loop,
   * after the code that sets up the server. Without `onEvent`, handlers may be added later, so the application calls
   * `start`. `adapter`: the adapter calls `start`.
   * @default 'adapter'
   */
  readonly startedBy?: 'next turn' | 'adapter'
  /**
   * `at once`: throws for an unset secret. `late`: leaves it to `start` and the first request.
   * @default 'at once'
   */
  readonly reportUnsetSecret?: 'at once' | 'late'
  /**
   * The options of the adapter itself, such as `{ path: checkPath }`. Each function checks the value of its option.
   * @default {}: only options of the receiver are known
   */
  readonly adapterOptions?: Readonly<Record<string, (value: unknown) => unknown>>
}

/**
 * Creates the receiver of an adapter, or returns the ready one.
 *
 * @param source the options as the user passed them, including the adapter's own.
 * @returns the receiver, and whether the adapter owns it. Only an owner starts and closes it.
 * @throws {ConfigurationError} `configuration_invalid`: an option is malformed or unknown, or receiver options
 * accompany a ready receiver.
 */
export function resolveReceiver<Context>(
  source: ReceiverOrOptions<Context>,
  { startedBy = 'adapter', reportUnsetSecret = 'at once', adapterOptions = {} }: ResolveOptions = {},
): { readonly receiver: ReadyReceiver<Context>; readonly isOwned: boolean } {
  if (Object(source) !== source) throw unexpected('the options', source, 'an object, such as { path, secret, onEvent }')
  if (belongsToHost(source)) {
    throw new ConfigurationError(
      'Expected the options of scrapenestWebhooks, got a request, a context or an application. Call scrapenestWebhooks({ path, secret, onEvent }), and mount what it returns.',
    )
  }
  const options: Record<string, unknown> = { ...source }
  for (const [name, check] of Object.entries(adapterOptions)) {
    check(options[name])
    delete options[name]
  }
  const otherOptions = { ...adapterOptions, receiver: true }
  if ('receiver' in source) {
    checkKnownOptions(options, otherOptions)
    const { receiver } = source
    if (typeof receiver?.receive !== 'function')
      throw unexpected('receiver', receiver, 'a Receiver, from createReceiver(…)')
    return { receiver, isOwned: false }
  }
  const settings = readReceiverOptions<Context>(options, { reportUnsetSecret, otherOptions })
  const receiver = createReceiverFrom<ScrapeNestEvents, Context>(settings)
  if (startedBy === 'next turn' && source.onEvent !== undefined) {
    // The receiver reports a failed start, and the inbox keeps trying. It must not end the application.
    setImmediate(() => void receiver.start().catch(() => {}))
  }
  return { receiver, isOwned: true }
}

/**
 * Whether the value is a request, a context or an application of a framework: `app.use(scrapenestWebhooks)` or
 * `scrapenestWebhooks(app, options)`. Their own properties would be reported as unknown options.
 */
function belongsToHost(source: object): boolean {
  if (typeof source === 'function') return true
  const prototype = Object.getPrototypeOf(source)
  return prototype !== null && prototype !== Object.prototype && ('headers' in prototype || 'on' in prototype)
}
