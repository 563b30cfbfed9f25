import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigurationError, type Secret, sign } from '@scrapenest-webhooks/core'
import { checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { isLocalUrl } from './api-routes.ts'
import { createApiServer } from './api-server.ts'
import { type Attempt, DeliveryEngine, type Message, type OutgoingEvent } from './delivery-engine.ts'
import { Endpoint } from './endpoints.ts'
import { checkFaultShares, type Fault, type FaultShares } from './faults.ts'
import { Jobs } from './jobs.ts'
import type { SignatureKey } from './signing.ts'
import { StoredArtifacts } from './stored-artifacts.ts'

export interface SimulatorOptions {
  /** @default 0: a free one */
  readonly port?: number | undefined
  /** The key that calls must carry. @default 'sn_test_simulator' */
  readonly apiKey?: string | undefined
  /** Divides the delays between retries: with 3600 an hour passes in a second. @default 1 */
  readonly speed?: number | undefined
  /**
   * How long a retry waits after the attempt before it, in milliseconds; as many retries as delays.
   * @default from 5 s, four times as long each time up to 12 h, three days in all
   */
  readonly retryDelaysMs?: readonly number[] | undefined
  /** How long a delivery waits for its answer. @default 10000, as ScrapeNest documents it */
  readonly replyTimeoutMs?: number | undefined
  /**
   * How long old and new secret both sign after a rotation. ScrapeNest's SDK says that the old one is invalid at once:
   * 0 does that.
   * @default 600000
   */
  readonly rotationOverlapMs?: number | undefined
  /** What keys the signature: see `SignatureKey`. @default 'decoded', as ScrapeNest's guide has it */
  readonly signatureKey?: SignatureKey | undefined
  /** How often each fault happens. @default never */
  readonly faults?: FaultShares | undefined
  /** How long a `download_url` is valid. @default 300 */
  readonly urlTtlSeconds?: number | undefined
  /** How long a job stays queued, in milliseconds. @default 50 */
  readonly jobDelayMs?: number | undefined
  /** Over this, calls are answered 429. @default 600, ScrapeNest's standard tier */
  readonly requestsPerMinute?: number | undefined
  /** Draws the faults. @default Math.random */
  readonly random?: (() => number) | undefined
  /** Told after each attempt to deliver. */
  readonly onAttempt?: ((message: Message, attempt: Attempt) => void) | undefined
}

export interface Simulator {
  /** The client's `baseUrl`: `http://127.0.0.1:…`. */
  readonly url: string
  readonly apiKey: string
  /** A page to scrape where there is no internet. */
  readonly examplePageUrl: string
  /** Every message, oldest first. */
  readonly messages: readonly Message[]
  /**
   * Registers an endpoint as the API does, with a secret that the receiver knows already.
   *
   * @throws {ConfigurationError} `configuration_invalid`: a URL that is not on this machine, or a malformed secret.
   */
  register(endpoint: {
    readonly url: string
    readonly secret?: Secret
    readonly enabled_events?: readonly string[]
  }): Endpoint
  /** Sends an event to every endpoint that wants it; `faults` in place of those that chance draws. */
  send(event: OutgoingEvent, faults?: readonly Fault[]): readonly Message[]
  setFaults(shares: FaultShares): void
  /** Resolves when every job has ended, and every message was accepted or given up. */
  idle(): Promise<void>
  /** Ends jobs and deliveries, and closes every connection. Idempotent. */
  close(): Promise<void>
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

/** One organisation, as every event names it. */
const organisation = { org_id: '5a3d9f0e-7c41-4c67-9d0c-3f6f2b9a1e77', org_slug: 'simulated-org' }

/**
 * Starts a ScrapeNest on this machine: the API for endpoints, jobs and artifacts, and a sender that signs, retries and
 * misbehaves as told. It listens on 127.0.0.1 and delivers to this machine only; its state is gone when it closes.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 *
 * @example
 * const simulator = await startSimulator({ faults: { duplicate: 0.2 } })
 * const client = new ScrapeNestClient({ apiKey: simulator.apiKey, baseUrl: simulator.url })
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  checkKnownOptions(options, knownOptions)
  const { apiKey = 'sn_test_simulator', speed = 1, random = Math.random, onAttempt } = options
  if (!(speed > 0)) throw new ConfigurationError(`Expected speed to be above 0, got ${String(speed)}.`)
  const whole = (name: keyof SimulatorOptions, fallback: number, min: number): number =>
    checkWholeNumber(name, (options[name] as number | undefined) ?? fallback, { min })

  const endpoints = new Map<string, Endpoint>()
  const engine = new DeliveryEngine({
    retryDelaysMs: options.retryDelaysMs ?? threeDaysOfRetries(),
    speed,
    replyTimeoutMs: whole('replyTimeoutMs', 10_000, 1),
    signatureKey: checkSignatureKey(options.signatureKey ?? 'decoded'),
    random,
    onAttempt,
  })
  engine.shares = checkFaultShares(options.faults ?? {})

  let origin = ''
  const artifacts = new StoredArtifacts({ origin: () => origin, ttlSeconds: whole('urlTtlSeconds', 300, 1) })

  function send(event: OutgoingEvent, faults?: readonly Fault[]): readonly Message[] {
    const chosen = faults === undefined ? undefined : new Set(faults)
    return [...endpoints.values()]
      .filter((endpoint) => endpoint.wants(event.event_type))
      .map((endpoint) => engine.dispatch(endpoint, event, chosen))
  }

  const jobs = new Jobs({
    artifacts,
    delayMs: whole('jobDelayMs', 50, 0),
    emit: (eventType, data) => void send(envelope(eventType, data)),
  })
  const rotationOverlapMs = whole('rotationOverlapMs', 600_000, 0)
  const state = { endpoints, engine, jobs, artifacts, rotationOverlapMs }
  const server = createApiServer(state, { apiKey, requestsPerMinute: whole('requestsPerMinute', 600, 1) })
  await listen(server, whole('port', 0, 0))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  let closed: Promise<void> | undefined
  return {
    url: origin,
    apiKey,
    examplePageUrl: `${origin}/pages/example`,
    get messages() {
      return engine.messages
    },
    register({ secret, ...settings }) {
      if (!isLocalUrl(settings.url)) {
        throw new ConfigurationError(
          `Expected an http(s) URL on this machine (localhost, 127.0.0.1, [::1]), got ${JSON.stringify(settings.url)}.`,
        )
      }
      if (secret !== undefined) sign({ id: 'check', timestamp: 0, body: '' }, secret)
      const endpoint = new Endpoint({ name: new URL(settings.url).host, ...settings }, secret)
      endpoints.set(endpoint.id, endpoint)
      return endpoint
    },
    send,
    setFaults: (shares) => {
      engine.shares = checkFaultShares(shares)
    },
    idle: async () => {
      await jobs.idle()
      await engine.idle()
    },
    close: () => {
      closed ??= closeAll(server, [jobs, engine])
      return closed
    },
  }
}

function envelope(event_type: string, data: Readonly<Record<string, unknown>>): OutgoingEvent {
  return {
    event_id: randomUUID(),
    event_type,
    version: '1.0.0',
    schema_ref: `schemas/webhooks/v1/${event_type}.json`,
    occurred_at: new Date().toISOString(),
    ...organisation,
    data,
  }
}

function checkSignatureKey(value: SignatureKey): SignatureKey {
  if (['decoded', 'text', 'both'].includes(value)) return value
  throw new ConfigurationError(`Expected signatureKey to be 'decoded', 'text' or 'both', got ${JSON.stringify(value)}.`)
}

/** Exponential, up to three days: what ScrapeNest documents. The single delays are ours. */
function threeDaysOfRetries(): number[] {
  const delays: number[] = []
  let totalMs = 0
  for (let delayMs = 5_000; totalMs + delayMs <= 3 * 86_400_000; delayMs = Math.min(delayMs * 4, 43_200_000)) {
    delays.push(delayMs)
    totalMs += delayMs
  }
  return delays
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}

async function closeAll(server: Server, parts: readonly { close(): Promise<void> }[]): Promise<void> {
  const stopped = new Promise<void>((resolve) => server.close(() => resolve()))
  await Promise.all(parts.map((part) => part.close()))
  server.closeAllConnections()
  await stopped
}
