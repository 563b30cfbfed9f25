import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigurationError, type Secret, sign } from '@scrapenest-webhooks/core'
import { createApiServer } from './api/server.ts'
import { Endpoint } from './delivery/endpoint.ts'
import { createEvent, type OutgoingEvent } from './delivery/event.ts'
import { checkFaultProbabilities, type Fault, type FaultProbabilities } from './delivery/faults.ts'
import { type Message, Sender } from './delivery/sender.ts'
import { ArtifactStore } from './jobs/artifact-store.ts'
import { Jobs } from './jobs/jobs.ts'
import { isLocalUrl } from './local-address.ts'
import { readSimulatorOptions, type SimulatorOptions } from './options.ts'

export interface Simulator {
  /** The client's `baseUrl`: `http://127.0.0.1:…`. */
  readonly url: string
  readonly apiKey: string
  /** A page to scrape without internet access. */
  readonly examplePageUrl: string
  /** All messages, oldest first. */
  readonly messages: readonly Message[]
  /**
   * Registers an endpoint as the API does, but with a secret that the receiver already has.
   *
   * @throws {ConfigurationError} `configuration_invalid`: the URL is not on this machine, or the secret is malformed.
   */
  register(endpoint: {
    readonly url: string
    readonly secret?: Secret
    readonly enabled_events?: readonly string[]
  }): Endpoint
  /**
   * Sends an event to every endpoint subscribed to it.
   *
   * @param faults the faults of these deliveries. Default: random, by their configured probabilities.
   */
  send(event: OutgoingEvent, faults?: readonly Fault[]): readonly Message[]
  /** Replaces the probabilities of the faults. */
  setFaults(probabilities: FaultProbabilities): void
  /** Resolves when every job has ended and every message has been accepted or abandoned. */
  idle(): Promise<void>
  /** Cancels jobs and deliveries, and closes every connection. Idempotent. */
  close(): Promise<void>
}

/**
 * Starts a local ScrapeNest: the API for endpoints, jobs and artifacts, and a sender of signed webhooks with retries and, on
 * request, faults. It listens on 127.0.0.1, delivers to this machine only, and keeps its state in memory.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is malformed or unknown.
 * @throws {Error} `EADDRINUSE`: the port is in use.
 *
 * @example
 * const simulator = await startSimulator({ faults: { duplicate: 0.2 } })
 * const client = new ScrapeNestClient({ apiKey: simulator.apiKey, baseUrl: simulator.url })
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = readSimulatorOptions(options)
  const endpoints = new Map<string, Endpoint>()
  const sender = new Sender(settings)
  const artifacts = new ArtifactStore(settings)

  function send(event: OutgoingEvent, faults?: readonly Fault[]): readonly Message[] {
    const chosen = faults === undefined ? undefined : new Set(faults)
    return [...endpoints.values()]
      .filter((endpoint) => endpoint.isSubscribedTo(event.event_type))
      .map((endpoint) => sender.send(endpoint, event, chosen))
  }

  const jobs = new Jobs({
    artifacts,
    delayMs: settings.jobDelayMs,
    emit: (eventType, data) => void send(createEvent(eventType, data)),
  })
  const { rotationOverlapMs } = settings
  const server = createApiServer({ endpoints, sender, jobs, artifacts, rotationOverlapMs }, settings)
  await listen(server, settings.port)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  artifacts.origin = url

  let closed: Promise<void> | undefined
  return {
    url,
    apiKey: settings.apiKey,
    examplePageUrl: `${url}/pages/example`,
    get messages() {
      return sender.messages
    },
    register({ secret, ...endpointSettings }) {
      checkLocalUrl(endpointSettings.url)
      if (secret !== undefined) checkSecret(secret)
      const endpoint = new Endpoint({ name: new URL(endpointSettings.url).host, ...endpointSettings }, secret)
      endpoints.set(endpoint.id, endpoint)
      return endpoint
    },
    send,
    setFaults: (probabilities) => {
      sender.faultProbabilities = checkFaultProbabilities(probabilities)
    },
    idle: async () => {
      await jobs.idle()
      await sender.idle()
    },
    close: () => {
      closed ??= closeAll(server, [jobs, sender])
      return closed
    },
  }
}

function checkLocalUrl(url: string): void {
  if (isLocalUrl(url)) return
  const expected = 'an http(s) URL on this machine (localhost, 127.0.0.1, [::1])'
  throw new ConfigurationError(`Expected ${expected}, got ${JSON.stringify(url)}.`)
}

/** @throws {ConfigurationError} `configuration_invalid`: signing parses the secret. */
function checkSecret(secret: Secret): void {
  sign({ id: 'check', timestamp: 0, body: '' }, secret)
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
