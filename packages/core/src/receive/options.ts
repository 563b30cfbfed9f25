import {
  type AlwaysSet,
  checkHooks,
  checkKnownOptions,
  checkMethods,
  checkWholeNumber,
  ownProperties,
  unexpected,
  withoutUndefined,
} from '../check.ts'
import { type DuplicateStore, memoryDuplicates } from '../handle/duplicates.ts'
import type { InboxConnection } from '../handle/inbox.ts'
import { type HandlingOptions, type HandlingSettings, handlingOptions, readHandlingOptions } from '../handle/options.ts'
import type { DeliveryOutcome } from '../report/reporter.ts'
import { defaultToleranceSeconds } from '../verify/signed-headers.ts'
import { compileAllowedSources } from './allowed-sources.ts'
import { checkGraceMs, maxTimeoutMs } from './close-deadline.ts'
import { type RequestSecrets, readSecretOption, type SecretOption } from './request-secrets.ts'

/**
 * The options of a receiver.
 *
 * @typeParam Events the catalog: an interface from event type to the shape of `data`.
 * @typeParam Context what the host passes to `receive`.
 * @typeParam Schemas the type of `schemas`, inferred from it.
 */
export interface ReceiverOptions<Events extends object, Context = unknown, Schemas = object>
  extends HandlingOptions<Events, Context, Schemas> {
  /**
   * The endpoint's signing secret (`whsec_…`), a list of up to eight during a rotation, or a function that looks up the
   * secret of each request. Required; `undefined` is refused at startup, with the fix.
   */
  readonly secret: SecretOption<Context>
  /**
   * Called with the outcome of every delivery, including refused ones. Use it for metrics.
   * @default undefined: outcomes are not reported
   */
  readonly onDelivery?: ((outcome: DeliveryOutcome) => unknown) | undefined
  /**
   * Maximum difference between the timestamp and the clock, in seconds, in both directions.
   * @default 300: with a larger value, a captured delivery can be replayed for longer
   */
  readonly toleranceSeconds?: number | undefined
  /**
   * Maximum length of the body, in bytes.
   * @default 1048576 (1 MiB): longer bodies get 413
   */
  readonly maxBodyBytes?: number | undefined
  /**
   * Maximum time until the reply, in milliseconds, including the time to read the body. Late deliveries are answered 503
   * (408 while the body is read), and the handlers' `signal` is aborted. Handlers that ignore it keep running under their
   * claim.
   * @default 9000: ScrapeNest waits 10 s
   */
  readonly replyTimeoutMs?: number | undefined
  /**
   * Maximum duration of `close()`, in milliseconds: one budget for running handlers, the store and the inbox.
   * @default 8000: within Fastify's plugin timeout (10 s) and Kubernetes' grace period (30 s)
   */
  readonly closeGraceMs?: number | undefined
  /**
   * Remembers handled events. Not used with an inbox, which detects duplicates itself.
   * @default memoryDuplicates(): other processes do not see it, and a restart empties it
   */
  readonly duplicates?: DuplicateStore | undefined
  /**
   * Stores events durably before they are acknowledged. The handlers run after the reply, with retries.
   * @default undefined: handlers run before the reply, and only the sender's retries protect against a crash
   */
  readonly inbox?: InboxConnection | undefined
  /**
   * Whether this process handles the events of the inbox. Set `false` if a separate worker does.
   * @default true: the receiver's handlers run in this process
   */
  readonly processing?: boolean | undefined
  /**
   * Addresses and CIDR ranges that deliveries may come from. Others get 403.
   * @default undefined: any address; only the signature decides
   */
  readonly allowedSources?: readonly string[] | undefined
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined
}

type Defaulted =
  | 'closeGraceMs'
  | 'duplicates'
  | 'maxBodyBytes'
  | 'now'
  | 'processing'
  | 'replyTimeoutMs'
  | 'toleranceSeconds'

/** The validated options, with defaults filled in. */
export type ReceiverSettings<Context> = HandlingSettings<Context> &
  AlwaysSet<ReceiverOptions<object, Context>, Defaulted> &
  Pick<ReceiverOptions<object, Context>, 'onDelivery' | 'inbox'> & {
    readonly secrets: RequestSecrets<Context>
    readonly isAllowedSource: ((address: string) => boolean) | undefined
  }

const receiverOptions: Readonly<Record<keyof ReceiverOptions<object>, true>> = {
  ...handlingOptions,
  allowedSources: true,
  closeGraceMs: true,
  duplicates: true,
  inbox: true,
  maxBodyBytes: true,
  now: true,
  onDelivery: true,
  processing: true,
  replyTimeoutMs: true,
  secret: true,
  toleranceSeconds: true,
}

/** The default of `closeGraceMs`, in milliseconds. */
export const defaultCloseGraceMs = 8_000

interface ReadOptions {
  /**
   * `at once` throws; `late` leaves it to `start()` and the first request, for hosts whose files are imported at build
   * time.
   * @default 'at once'
   */
  readonly reportUnsetSecret?: 'at once' | 'late'
  /** Options the adapter has already taken out. The message for an unknown option lists them too. @default {} */
  readonly otherOptions?: Readonly<Record<string, unknown>>
}

/**
 * Reads the options of a receiver.
 *
 * @throws {ConfigurationError} `configuration_invalid`, with the option and the fix.
 */
export function readReceiverOptions<Context>(
  options: object,
  { reportUnsetSecret = 'at once', otherOptions = {} }: ReadOptions = {},
): ReceiverSettings<Context> {
  if (Object(options) !== options) throw unexpected('the options', options, 'an object with at least a secret')
  checkKnownOptions(options, { ...receiverOptions, ...otherOptions })
  const { secret, allowedSources, ...others } = readHandlingOptions<
    ReceiverSettings<Context> & ReceiverOptions<object, Context>
  >({
    closeGraceMs: defaultCloseGraceMs,
    maxBodyBytes: 1_048_576,
    // Resolved per call, so that mocked clocks work.
    now: () => Date.now(),
    processing: true,
    replyTimeoutMs: 9_000,
    toleranceSeconds: defaultToleranceSeconds,
    ...withoutUndefined(options),
  })
  const settings = ownProperties(others)
  checkHooks(settings, ['onDelivery', 'now'])
  const { inbox, now, duplicates = memoryDuplicates({ now }) } = settings
  checkGraceMs('closeGraceMs', settings.closeGraceMs)
  checkWholeNumber('toleranceSeconds', settings.toleranceSeconds, { min: 1 })
  checkWholeNumber('maxBodyBytes', settings.maxBodyBytes, { min: 1 })
  checkWholeNumber('replyTimeoutMs', settings.replyTimeoutMs, { min: 1, max: maxTimeoutMs })
  if (typeof settings.processing !== 'boolean') throw unexpected('processing', settings.processing, 'true or false')
  checkMethods('duplicates', duplicates, ['claim', 'complete', 'release'])
  if (inbox !== undefined) checkMethods('inbox', inbox, ['put', 'start', 'close'])
  const isAllowedSource = allowedSources === undefined ? undefined : compileAllowedSources(allowedSources)
  const secrets = readSecretOption(secret, reportUnsetSecret)
  return ownProperties({ ...settings, duplicates, isAllowedSource, secrets })
}
