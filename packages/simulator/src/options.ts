import { randomBytes } from 'node:crypto'
import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkHooks, checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { checkFaultProbabilities, type FaultProbabilities } from './delivery/faults.ts'
import type { AttemptHook } from './delivery/sender.ts'
import { checkSignatureKey, type SignatureKey } from './delivery/signed-headers.ts'

export interface SimulatorOptions {
  /** The port to listen on, at 127.0.0.1. @default 0: any free port; see `simulator.url` */
  readonly port?: number | undefined
  /** The API key that requests must carry. @default a random key; see `simulator.apiKey` */
  readonly apiKey?: string | undefined
  /** Divides the delays between retries: at 3600, an hour passes in a second. @default 1 */
  readonly speed?: number | undefined
  /**
   * The delay before each retry, in milliseconds. The number of delays is the number of retries.
   * @default 5 s, then four times the previous delay, up to 12 h; three days in all
   */
  readonly retryDelaysMs?: readonly number[] | undefined
  /** How long a delivery waits for its reply, in milliseconds. @default 10000, as documented by ScrapeNest */
  readonly replyTimeoutMs?: number | undefined
  /**
   * How long messages are signed with both secrets after a rotation, in milliseconds. With 0, the old secret is invalid
   * immediately, as in ScrapeNest's SDK.
   * @default 600000
   */
  readonly rotationOverlapMs?: number | undefined
  /** The HMAC key (see `SignatureKey`). @default 'decoded', as in ScrapeNest's guide */
  readonly signatureKey?: SignatureKey | undefined
  /** The probability of each fault. @default no faults */
  readonly faults?: FaultProbabilities | undefined
  /** How long a `download_url` is valid, in seconds like the API's `ttl_seconds`. @default 300 */
  readonly urlTtlSeconds?: number | undefined
  /** How long a job stays queued, in milliseconds. @default 50 */
  readonly jobDelayMs?: number | undefined
  /** Requests beyond this limit are answered 429. @default 600, ScrapeNest's standard tier */
  readonly requestsPerMinute?: number | undefined
  /** Random numbers from 0 to 1 (excluding 1) that choose faults. @default Math.random */
  readonly random?: (() => number) | undefined
  /** Called after each attempt to deliver a message. */
  readonly onAttempt?: AttemptHook | undefined
}

/** The options, validated and with defaults applied. */
export interface SimulatorSettings {
  readonly port: number
  readonly apiKey: string
  readonly speed: number
  readonly retryDelaysMs: readonly number[]
  readonly replyTimeoutMs: number
  readonly rotationOverlapMs: number
  readonly signatureKey: SignatureKey
  readonly faults: FaultProbabilities
  readonly urlTtlSeconds: number
  readonly jobDelayMs: number
  readonly requestsPerMinute: number
  readonly random: () => number
  readonly onAttempt: AttemptHook | undefined
}

const knownOptions = {
  apiKey: true,
  faults: true,
  jobDelayMs: true,
  onAttempt: true,
  port: true,
  random: true,
  replyTimeoutMs: true,
  requestsPerMinute: true,
  retryDelaysMs: true,
  rotationOverlapMs: true,
  signatureKey: true,
  speed: true,
  urlTtlSeconds: true,
} as const satisfies Record<keyof SimulatorOptions, true>

/** @throws {ConfigurationError} `configuration_invalid` */
export function readSimulatorOptions(given: SimulatorOptions): SimulatorSettings {
  const options = checkKnownOptions(given, knownOptions)
  checkHooks(options, ['onAttempt', 'random'])
  const { apiKey = randomApiKey(), random = Math.random, onAttempt } = options
  return {
    port: checkWholeNumber('port', options.port ?? 0, { min: 0, max: 65_535 }),
    apiKey,
    speed: checkSpeed(options.speed ?? 1),
    retryDelaysMs: checkRetryDelays(options.retryDelaysMs ?? threeDaysOfRetries()),
    replyTimeoutMs: checkWholeNumber('replyTimeoutMs', options.replyTimeoutMs ?? 10_000, { min: 1 }),
    rotationOverlapMs: checkWholeNumber('rotationOverlapMs', options.rotationOverlapMs ?? 600_000, { min: 0 }),
    signatureKey: checkSignatureKey(options.signatureKey ?? 'decoded'),
    faults: checkFaultProbabilities(options.faults ?? {}),
    urlTtlSeconds: checkWholeNumber('urlTtlSeconds', options.urlTtlSeconds ?? 300, { min: 1 }),
    jobDelayMs: checkWholeNumber('jobDelayMs', options.jobDelayMs ?? 50, { min: 0 }),
    requestsPerMinute: checkWholeNumber('requestsPerMinute', options.requestsPerMinute ?? 600, { min: 1 }),
    random,
    onAttempt,
  }
}

/** With a fixed key, any process or user of this machine could drive the simulator. */
function randomApiKey(): string {
  return `sn_test_${randomBytes(16).toString('hex')}`
}

function checkSpeed(speed: number): number {
  if (speed > 0 && speed < Infinity) return speed
  throw new ConfigurationError(`Expected speed to be above 0, got ${String(speed)}.`)
}

function checkRetryDelays(delaysMs: readonly number[]): readonly number[] {
  for (const [index, delayMs] of delaysMs.entries()) checkWholeNumber(`retryDelaysMs[${index}]`, delayMs, { min: 0 })
  return delaysMs
}

/** Exponential backoff for up to three days, as documented by ScrapeNest. We chose the individual delays. */
function threeDaysOfRetries(): readonly number[] {
  const delaysMs: number[] = []
  let totalMs = 0
  for (let delayMs = 5_000; totalMs + delayMs <= 3 * 86_400_000; delayMs = Math.min(delayMs * 4, 43_200_000)) {
    delaysMs.push(delayMs)
    totalMs += delayMs
  }
  return delaysMs
}
