import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { messageOf } from '@scrapenest-webhooks/core/adapter'
import { Timers } from '../timers.ts'
import type { Endpoint } from './endpoint.ts'
import type { OutgoingEvent } from './event.ts'
import { eventBody } from './event-body.ts'
import { drawFaults, type Fault, type FaultProbabilities } from './faults.ts'
import { type DeliveryReply, sendDelivery } from './send-delivery.ts'
import type { SignatureKey } from './signed-headers.ts'

/**
 * One event for one endpoint.
 *
 * - `pending`: not accepted yet; an attempt is running or scheduled
 * - `succeeded`: final; accepted with a 2xx
 * - `failed`: final; not accepted after the last retry, or the endpoint was deleted
 */
export interface Message {
  readonly id: string
  readonly endpoint: Endpoint
  readonly event: OutgoingEvent
  readonly dispatchedAt: Date
  readonly attempts: readonly Attempt[]
  readonly status: 'pending' | 'succeeded' | 'failed'
}

/** One request that delivers a message, called an attempt in ScrapeNest's API. */
export interface Attempt extends DeliveryReply {
  readonly id: string
  readonly dispatchedAt: Date
  readonly faults: readonly Fault[]
}

export type AttemptHook = (message: Message, attempt: Attempt) => void

export interface SenderOptions {
  /** The delay before each retry, in milliseconds. The number of delays is the number of retries. */
  readonly retryDelaysMs: readonly number[]
  /** Divides the delays. */
  readonly speed: number
  readonly replyTimeoutMs: number
  readonly signatureKey: SignatureKey
  readonly faults: FaultProbabilities
  readonly random: () => number
  readonly onAttempt: AttemptHook | undefined
}

interface PendingMessage extends Message {
  readonly body: Buffer
  readonly attempts: Attempt[]
  status: Message['status']
}

/** Beyond this number, the oldest messages are dropped, because a simulator may run for days. */
const maxMessages = 10_000
/** How long a message with the fault `reorder` waits to be overtaken, in milliseconds. */
const maxHoldMs = 1_000
/** A head start for the overtaking message, in milliseconds. */
const overtakeMs = 20

/** Sends events to endpoints at least once, with retries and faults, until they are accepted or abandoned. */
export class Sender {
  readonly #options: SenderOptions
  readonly #timers = new Timers()
  readonly #closing = new AbortController()
  readonly #agent = new Agent({ keepAlive: true })
  readonly #running = new Set<Promise<void>>()
  /** For each endpoint, the functions that send its held messages. */
  readonly #held = new Map<Endpoint, Set<() => void>>()
  #messages: PendingMessage[] = []
  #pendingCount = 0
  #idleWaiters: (() => void)[] = []
  faultProbabilities: FaultProbabilities

  constructor(options: SenderOptions) {
    this.#options = options
    this.faultProbabilities = options.faults
  }

  /** Newest first. */
  messagesOf(endpoint: Endpoint): readonly Message[] {
    return this.#messages.filter((message) => message.endpoint === endpoint).reverse()
  }

  /** Oldest first. */
  get messages(): readonly Message[] {
    return this.#messages
  }

  /** @param chosen the faults of the first attempt. Default: random ones. */
  send(endpoint: Endpoint, event: OutgoingEvent, chosen?: ReadonlySet<Fault>): Message {
    const message: PendingMessage = {
      id: `msg_${randomUUID().replaceAll('-', '')}`,
      endpoint,
      event,
      body: eventBody(event),
      dispatchedAt: new Date(),
      attempts: [],
      status: 'pending',
    }
    if (this.#messages.length >= maxMessages) this.#messages = this.#messages.slice(-maxMessages / 2)
    this.#messages.push(message)
    this.#pendingCount += 1
    const faults = chosen ?? drawFaults(this.faultProbabilities, this.#options.random)
    if (faults.has('reorder')) this.#hold(endpoint, () => this.#start(message, faults))
    else {
      this.#start(message, faults)
      this.#releaseHeld(endpoint)
    }
    return message
  }

  /** Resolves when every message has been accepted or abandoned. */
  idle(): Promise<void> {
    if (this.#pendingCount === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  async close(): Promise<void> {
    this.#timers.close()
    this.#closing.abort(new Error('the simulator is closing'))
    await Promise.all(this.#running)
    this.#agent.destroy()
    this.#resolveIdle()
  }

  #hold(endpoint: Endpoint, start: () => void): void {
    const held = this.#held.get(endpoint) ?? new Set()
    this.#held.set(endpoint, held)
    const release = (): void => {
      // Either the next message or the time limit releases it.
      if (held.delete(release)) start()
    }
    held.add(release)
    this.#timers.after(maxHoldMs / this.#options.speed, release)
  }

  #releaseHeld(endpoint: Endpoint): void {
    for (const release of this.#held.get(endpoint) ?? []) this.#timers.after(overtakeMs, release)
  }

  #start(message: PendingMessage, faults: ReadonlySet<Fault>): void {
    const run = this.#deliver(message, faults).finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  async #deliver(message: PendingMessage, faults: ReadonlySet<Fault>): Promise<void> {
    const { endpoint } = message
    if (endpoint.status === 'deleted') return this.#settle(message, 'failed')
    const isAccepted = await this.#attempt(message, faults)
    if (this.#closing.signal.aborted) return
    if (isAccepted) {
      endpoint.consecutiveFailures = 0
      if (faults.has('duplicate')) await this.#attempt(message, new Set())
      return this.#settle(message, 'succeeded')
    }
    endpoint.consecutiveFailures += 1
    this.#scheduleRetry(message)
  }

  /** Sends one request. @returns whether the message was accepted. */
  async #attempt(message: PendingMessage, faults: ReadonlySet<Fault>): Promise<boolean> {
    const { endpoint, body } = message
    const dispatchedAt = new Date()
    const reply = await sendDelivery({
      url: endpoint.settings.url,
      messageId: message.id,
      body,
      // Read at each attempt, because a retry after a rotation is signed with the current secrets.
      secrets: endpoint.signingSecrets(),
      signatureKey: this.#options.signatureKey,
      faults,
      timeoutMs: this.#options.replyTimeoutMs,
      signal: this.#closing.signal,
      agent: this.#agent,
    })
    const attempt = { id: `atmpt_${randomUUID().replaceAll('-', '')}`, dispatchedAt, faults: [...faults], ...reply }
    message.attempts.push(attempt)
    this.#callHook(message, attempt)
    const { statusCode = 0 } = reply
    return statusCode >= 200 && statusCode < 300
  }

  #scheduleRetry(message: PendingMessage): void {
    const delayMs = this.#options.retryDelaysMs[message.attempts.length - 1]
    if (delayMs === undefined) this.#settle(message, 'failed')
    else this.#timers.after(delayMs / this.#options.speed, () => this.#start(message, new Set()))
  }

  /** A hook that throws must not stop the deliveries. */
  #callHook(message: Message, attempt: Attempt): void {
    try {
      this.#options.onAttempt?.(message, attempt)
    } catch (error) {
      process.emitWarning(`onAttempt threw: ${messageOf(error)}`)
    }
  }

  #settle(message: PendingMessage, status: 'succeeded' | 'failed'): void {
    message.status = status
    this.#pendingCount -= 1
    if (this.#pendingCount === 0) this.#resolveIdle()
  }

  #resolveIdle(): void {
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }
}
