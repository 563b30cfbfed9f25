import {
  type AlwaysSet,
  checkHooks,
  checkKnownOptions,
  checkMethods,
  checkWholeNumber,
  unexpected,
  withoutUndefined,
} from '../check.ts'
import { asWebhookError, type ConfigurationError } from '../errors.ts'
import { type DuplicateStore, memoryDuplicates } from '../handle/duplicates.ts'
import type { InboxConnection } from '../handle/inbox.ts'
import { type HandlingOptions, type HandlingSettings, handlingOptions, readHandlingOptions } from '../handle/options.ts'
import type { DeliveryOutcome } from '../report/reporter.ts'
import {
  isUnsetSecret,
  parseSecrets,
  type Secret,
  type SecretResult,
  type SigningSecret,
  unsetSecret,
} from '../verify/secret.ts'
import { defaultToleranceSeconds } from '../verify/signature-headers.ts'
import { compileAllowedSources } from './allowed-sources.ts'
import { checkGraceMs, maxTimeoutMs } from './deadline.ts'
import type { WebhookRequest } from './request.ts'

/**
 * Looks up the secrets of one request, for example by tenant. If there are none (`undefined`, `null`, `''`, `[]`), the
 * delivery is refused like one with a bad signature. If it throws, or does not answer in time, the sender is asked to retry.
 */
export type SecretResolver<Context> = (
  request: WebhookRequest,
  context: Context | undefined,
) => SecretResult | Promise<SecretResult>

/**
 * The options of a receiver.
 *
 * @typeParam Events the catalogue: an interface from event type to the shape of `data`.
 * @typeParam Context what the host passes to `receive`.
 * @typeParam Schemas the type of `schemas`, inferred from it.
 */
export interface ReceiverOptions<Events extends object, Context = unknown, Schemas = object>
  extends HandlingOptions<Events, Context, Schemas> {
  /** The endpoint's signing secret (`whsec_…`), up to eight of them during a rotation, or a function that looks them up. */
  readonly secret: Secret | readonly (Secret | undefined)[] | SecretResolver<Context> | undefined
  /** Called with the outcome of every delivery, including refused ones: for metrics. */
  readonly onDelivery?: ((outcome: DeliveryOutcome) => unknown) | undefined
  /**
   * Maximum distance between the timestamp and the clock, in seconds and in both directions.
   * @default 300: a larger value gives a captured delivery more time to be replayed.
   */
  readonly toleranceSeconds?: number | undefined
  /**
   * Maximum length of the body, in bytes.
   * @default 1048576 (1 MiB): longer bodies get 413.
   */
  readonly maxBodyBytes?: number | undefined
  /**
   * When to reply at the latest, in milliseconds from the start of the request, including the time to read the body.
   * @default 9000: ScrapeNest waits 10 s. The reply is then 503, and handlers keep running under their claim.
   */
  readonly replyTimeoutMs?: number | undefined
  /**
   * How long `close()` takes at most, in milliseconds: for running handlers, and for giving events back to an inbox.
   * @default 8000: within Fastify's plugin timeout (10 s) and Kubernetes' grace period (30 s)
   */
  readonly closeGraceMs?: number | undefined
  /**
   * Where handled events are remembered. Not used with an inbox, which recognizes duplicates itself.
   * @default memoryDuplicates(): this process only, forgotten by a restart
   */
  readonly duplicates?: DuplicateStore | undefined
  /**
   * Keeps events durably before they are acknowledged. The handlers run afterwards, with retries.
   * @default undefined: handlers run before the reply, and the sender's retries are the durability
   */
  readonly inbox?: InboxConnection | undefined
  /**
   * Whether this process runs the handlers of the inbox; `false` if a worker elsewhere does.
   * @default true
   */
  readonly processing?: boolean | undefined
  /**
   * Addresses and CIDR ranges that deliveries may come from.
   * @default undefined: from anywhere; the signature decides
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

/** The options once read: defaults filled in, rules checked. */
export type ReceiverSettings<Context> = HandlingSettings<Context> &
  AlwaysSet<ReceiverOptions<object, Context>, Defaulted> &
  Pick<ReceiverOptions<object, Context>, 'onDelivery' | 'inbox'> & {
    /**
     * The secrets of a request; nothing if there are none.
     *
     * @throws {WebhookError} `secret_unavailable`, or `configuration_invalid` for a malformed or unset secret.
     */
    readonly findSecrets: (
      request: WebhookRequest,
      context: Context | undefined,
    ) => MaybePromise<readonly SigningSecret[] | undefined>
    /** Why `start()` must reject: the secret is unset, on a host where that is reported late. */
    readonly startError: ConfigurationError | undefined
    readonly hasShortSecret: boolean
    readonly isAllowedSource: ((address: string) => boolean) | undefined
  }

type MaybePromise<Value> = Value | Promise<Value>

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

export const defaultCloseGraceMs = 8_000

/**
 * Reads the options of a receiver.
 *
 * @param reportUnsetSecret `at once` throws; `late` leaves it to `start()` and the first request, for hosts whose files are
 * imported at build time.
 * @throws {ConfigurationError} `configuration_invalid`, with the option and the fix.
 */
export function readReceiverOptions<Context>(
  options: object,
  reportUnsetSecret: 'at once' | 'late' = 'at once',
): ReceiverSettings<Context> {
  if (Object(options) !== options) throw unexpected('the options', options, 'an object')
  checkKnownOptions(options, receiverOptions)
  const { secret, allowedSources, ...settings } = readHandlingOptions<
    ReceiverSettings<Context> & ReceiverOptions<object, Context>
  >({
    closeGraceMs: defaultCloseGraceMs,
    maxBodyBytes: 1_048_576,
    now: Date.now,
    processing: true,
    replyTimeoutMs: 9_000,
    toleranceSeconds: defaultToleranceSeconds,
    ...withoutUndefined(options),
  })
  const { inbox, now, duplicates = memoryDuplicates({ now }) } = settings
  checkHooks(settings, ['onDelivery', 'now'])
  checkGraceMs('closeGraceMs', settings.closeGraceMs)
  checkWholeNumber('toleranceSeconds', settings.toleranceSeconds, { min: 1 })
  checkWholeNumber('maxBodyBytes', settings.maxBodyBytes, { min: 1 })
  checkWholeNumber('replyTimeoutMs', settings.replyTimeoutMs, { min: 1, max: maxTimeoutMs })
  checkMethods('duplicates', duplicates, ['claim', 'complete', 'release'])
  if (inbox !== undefined) checkMethods('inbox', inbox, ['put', 'start', 'close'])
  const isAllowedSource = allowedSources && compileAllowedSources(allowedSources)
  return { ...settings, duplicates, isAllowedSource, ...readSecret(secret, reportUnsetSecret) }
}

function readSecret<Context>(
  secret: ReceiverOptions<object, Context>['secret'],
  reportUnsetSecret: 'at once' | 'late',
): Pick<ReceiverSettings<Context>, 'findSecrets' | 'startError' | 'hasShortSecret'> {
  if (typeof secret === 'function') {
    return { findSecrets: resolving(secret), startError: undefined, hasShortSecret: false }
  }
  if (isUnsetSecret(secret) && reportUnsetSecret === 'late') {
    const error = unsetSecret()
    const findSecrets = (): never => {
      throw error
    }
    return { findSecrets, startError: error, hasShortSecret: false }
  }
  const secrets = parseSecrets(secret)
  const hasShortSecret = secrets.some(({ isShort }) => isShort)
  return { findSecrets: () => secrets, startError: undefined, hasShortSecret }
}

function resolving<Context>(resolve: SecretResolver<Context>): ReceiverSettings<Context>['findSecrets'] {
  return async (request, context) => {
    let secret: SecretResult
    try {
      secret = await resolve(request, context)
    } catch (error) {
      throw asWebhookError('secret_unavailable', error)
    }
    return isUnsetSecret(secret) ? undefined : parseSecrets(secret as Secret)
  }
}
