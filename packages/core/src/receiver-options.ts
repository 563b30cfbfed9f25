import { compileAllowedSources } from './allowed-sources.ts'
import { checkKnownOptions, checkMethods, checkWholeNumber, defined, unexpected } from './check-options.ts'
import { type DuplicateStore, memoryDuplicates } from './duplicates.ts'
import type { WebhookError, WebhookErrorCode } from './errors.ts'
import {
  type HandlingOptions,
  type HandlingSettings,
  handlingOptions,
  settleHandlingOptions,
} from './handling-options.ts'
import type { InboxConnection } from './inbox.ts'
import type { Acknowledgement } from './reply.ts'
import type { WebhookRequest } from './request.ts'
import { parseSecrets, recommendedKeyBytes, type Secret, type SigningSecret } from './secret.ts'
import { defaultToleranceSeconds } from './timestamp.ts'

/**
 * Finds the secrets for one request, for example by tenant. Nothing (`undefined`, `null`) refuses the delivery with
 * `secret_not_found`; throwing, or not answering in time, asks the sender to come again.
 */
export type SecretResolver<Context> = (
  request: WebhookRequest,
  context: Context | undefined,
) => SecretResult | Promise<SecretResult>

export type SecretResult = Secret | readonly Secret[] | null | undefined

export interface ReceiverOptions<Events extends object, Context = unknown> extends HandlingOptions<Events, Context> {
  /** The endpoint's signing secret (`whsec_…`), up to eight of them during a rotation, or a function that finds them. */
  readonly secret: Secret | readonly (Secret | undefined)[] | SecretResolver<Context> | undefined
  /** Told of the outcome of every delivery, refused ones included: for metrics. */
  readonly onDelivery?: ((outcome: DeliveryOutcome) => unknown) | undefined
  /**
   * How far the timestamp may be from the clock, in seconds and in both directions.
   * @default 300: a longer time gives a captured delivery longer to be replayed.
   */
  readonly toleranceSeconds?: number | undefined
  /**
   * The longest body that is read, in bytes.
   * @default 1048576 (1 MiB): longer ones get 413.
   */
  readonly maxBodyBytes?: number | undefined
  /**
   * When to answer at the latest, in milliseconds from the start of the request, reading the body included.
   * @default 9000: ScrapeNest waits 10 s. Handlers that are not done go on under their claim, and the reply is 503.
   */
  readonly replyTimeoutMs?: number | undefined
  /**
   * Where handled events are remembered.
   * @default memoryDuplicates(): this process only, forgotten by a restart
   */
  readonly duplicates?: DuplicateStore | undefined
  /**
   * Keeps events durably before they are acknowledged; the handlers run afterwards, with retries.
   * @default undefined: handlers run before the reply, and the sender's retries are the durability
   */
  readonly inbox?: InboxConnection | undefined
  /**
   * Whether this process runs the handlers of the inbox; `false` where a worker elsewhere does.
   * @default true
   */
  readonly processing?: boolean | undefined
  /**
   * Addresses and CIDR ranges deliveries may come from.
   * @default undefined: from anywhere; the signature decides
   */
  readonly allowedSources?: readonly string[] | undefined
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined
}

/** What became of one delivery. Never holds `data`, a secret or a signature. */
export interface DeliveryOutcome {
  readonly status: number
  readonly result: Acknowledgement | WebhookErrorCode
  readonly durationMs: number
  /** As the headers claim; signed only where the delivery was not refused. */
  readonly deliveryId?: string | undefined
  readonly eventId?: string | undefined
  readonly eventType?: string | undefined
  readonly secretIndex?: number | undefined
  readonly remoteAddress?: string | undefined
  /** Why it was refused or failed. */
  readonly error?: WebhookError | undefined
}

/** The options with every default filled in and every rule checked. */
export interface ReceiverSettings<Context> extends HandlingSettings<Context> {
  readonly secret: Secret | readonly Secret[] | SecretResolver<Context>
  /** Parsed at the start; absent where a function finds the secrets of each request. */
  readonly secrets: readonly SigningSecret[] | undefined
  readonly onDelivery?: (outcome: DeliveryOutcome) => unknown
  readonly toleranceSeconds: number
  readonly maxBodyBytes: number
  readonly replyTimeoutMs: number
  readonly duplicates: DuplicateStore
  readonly inbox?: InboxConnection
  readonly processing: boolean
  readonly allowedSources?: readonly string[]
  readonly isAllowedSource: ((address: string) => boolean) | undefined
  readonly now: () => number
}

const knownOptions = {
  ...handlingOptions,
  allowedSources: true,
  duplicates: true,
  inbox: true,
  maxBodyBytes: true,
  now: true,
  onDelivery: true,
  processing: true,
  replyTimeoutMs: true,
  secret: true,
  toleranceSeconds: true,
} as const satisfies Record<keyof ReceiverOptions<object>, true>

/** The largest delay that Node's timers keep; they take a longer one for 1 ms. */
export const maxTimeoutMs = 2_147_483_647

/** @throws {ConfigurationError} `configuration_invalid`, with the option and what to do about it. */
export function settleOptions<Context>(options: object): ReceiverSettings<Context> {
  if (Object(options) !== options) throw unexpected('the options', options, 'an object')
  checkKnownOptions(options, knownOptions)
  const settings = settleHandlingOptions<ReceiverSettings<Context>>({
    maxBodyBytes: 1_048_576,
    now: Date.now,
    processing: true,
    replyTimeoutMs: 9_000,
    toleranceSeconds: defaultToleranceSeconds,
    ...defined(options),
  })
  const { secret, now, inbox, allowedSources, name, logger, duplicates = memoryDuplicates({ now }) } = settings
  checkWholeNumber('toleranceSeconds', settings.toleranceSeconds, { min: 1 })
  checkWholeNumber('maxBodyBytes', settings.maxBodyBytes, { min: 1 })
  checkWholeNumber('replyTimeoutMs', settings.replyTimeoutMs, { min: 1, max: maxTimeoutMs })
  checkMethods('duplicates', duplicates, ['claim', 'complete', 'release'])
  if (inbox !== undefined) checkMethods('inbox', inbox, ['put', 'start', 'close'])
  const secrets = typeof secret === 'function' ? undefined : parseSecrets(secret)
  if (secrets?.some(({ decoded }) => decoded.byteLength < recommendedKeyBytes)) {
    const text = 'A signing secret is shorter than 24 bytes.'
    logger.warn({ code: 'configuration_invalid', name }, text)
  }
  return { ...settings, secrets, duplicates, isAllowedSource: allowedSources && compileAllowedSources(allowedSources) }
}
