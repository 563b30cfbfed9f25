import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import type { Endpoint } from './endpoints.ts'
import { eventBody } from './event-body.ts'
import { drawFaults, type Fault, type FaultShares } from './faults.ts'
import { type DeliveryReply, sendDelivery } from './send-delivery.ts'
import type { SignatureKey } from './signing.ts'
import { Timers } from './timers.ts'

/** An event as it travels: the envelope ScrapeNest documents. */
export interface OutgoingEvent {
  readonly event_id: string
  readonly event_type: string
  readonly [field: string]: unknown
}

/** One event on its way to one endpoint. */
export interface Message {
  readonly id: string
  readonly endpoint: Endpoint
  readonly event: OutgoingEvent
  readonly dispatchedAt: Date
  readonly attempts: readonly Attempt[]
  /** `pending` until it was accepted, or until no retry is left. */
  readonly status: 'pending' | 'succeeded' | 'failed'
}

export interface Attempt extends DeliveryReply {
  readonly id: string
  readonly dispatchedAt: Date
  readonly faults: readonly Fault[]
}

export interface DeliveryEngineOptions {
  /** How long a retry waits after the attempt before it; as many retries as delays. */
  readonly retryDelaysMs: readonly number[]
  /** Delays are divided by this. */
  readonly speed: number
  readonly replyTimeoutMs: number
  readonly signatureKey: SignatureKey
  readonly random: () => number
  readonly onAttempt: ((message: Message, attempt: Attempt) => void) | undefined
}

interface PendingMessage extends Message {
  readonly body: Buffer
  readonly attempts: Attempt[]
  status: Message['status']
}

/** More are forgotten, oldest first: a simulator may run for days. */
const maxMessages = 10_000
/** A message that is to be overtaken does not wait longer than this for another. */
const maxHoldMs = 1_000

/** Sends events to endpoints until they are accepted: at least once, with retries, and with the faults asked for. */
export class DeliveryEngine {
  readonly #options: DeliveryEngineOptions
  readonly #timers = new Timers()
  readonly #aborting = new AbortController()
  readonly #agent = new Agent({ keepAlive: true })
  readonly #running = new Set<Promise<void>>()
  readonly #held = new Map<Endpoint, Set<() => void>>()
  #messages: PendingMessage[] = []
  #pendingCount = 0
  #idleWaiters: (() => void)[] = []
  shares: FaultShares = {}

  constructor(options: DeliveryEngineOptions) {
    this.#options = options
  }

  /** Newest first. */
  messagesOf(endpoint: Endpoint): readonly Message[] {
    return this.#messages.filter((message) => message.endpoint === endpoint).reverse()
  }

  get messages(): readonly Message[] {
    return this.#messages
  }

  /** Sends an event, with the faults given or those that chance draws. */
  dispatch(endpoint: Endpoint, event: OutgoingEvent, chosen?: ReadonlySet<Fault>): Message {
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
    const faults = chosen ?? drawFaults(this.shares, this.#options.random)
    if (faults.has('reorder')) this.#hold(endpoint, () => this.#start(message, faults))
    else {
      this.#start(message, faults)
      this.#release(endpoint)
    }
    return message
  }

  /** Resolves when every message was accepted or given up. */
  idle(): Promise<void> {
    if (this.#pendingCount === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  async close(): Promise<void> {
    this.#timers.close()
    this.#aborting.abort(new Error('the simulator is closing'))
    await Promise.all(this.#running)
    this.#agent.destroy()
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  #hold(endpoint: Endpoint, start: () => void): void {
    const held = this.#held.get(endpoint) ?? new Set()
    this.#held.set(endpoint, held)
    const once = (): void => {
      if (held.delete(once)) start()
    }
    held.add(once)
    this.#timers.after(maxHoldMs / this.#options.speed, once)
  }

  #release(endpoint: Endpoint): void {
    const held = [...(this.#held.get(endpoint) ?? [])]
    if (held.length > 0) this.#timers.after(20, () => held.forEach((start) => void start()))
  }

  #start(message: PendingMessage, faults: ReadonlySet<Fault>): void {
    const run = this.#attempt(message, faults).finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  async #attempt(message: PendingMessage, faults: ReadonlySet<Fault>): Promise<void> {
    const { endpoint } = message
    if (endpoint.status === 'deleted') return this.#settle(message, 'failed')
    const isAccepted = await this.#send(message, faults)
    if (this.#aborting.signal.aborted) return
    if (isAccepted) {
      endpoint.consecutiveFailures = 0
      if (faults.has('duplicate')) await this.#send(message, new Set())
      return this.#settle(message, 'succeeded')
    }
    endpoint.consecutiveFailures += 1
    this.#retry(message)
  }

  #retry(message: PendingMessage): void {
    const delayMs = this.#options.retryDelaysMs[message.attempts.length - 1]
    if (delayMs === undefined) this.#settle(message, 'failed')
    else this.#timers.after(delayMs / this.#options.speed, () => this.#start(message, new Set()))
  }

  async #send(message: PendingMessage, faults: ReadonlySet<Fault>): Promise<boolean> {
    const { endpoint, body } = message
    const dispatchedAt = new Date()
    const reply = await sendDelivery({
      url: endpoint.settings.url,
      messageId: message.id,
      body,
      // Asked at each attempt: a retry after a rotation is signed with the secrets of that moment.
      secrets: endpoint.signingSecrets(),
      signatureKey: this.#options.signatureKey,
      faults,
      timeoutMs: this.#options.replyTimeoutMs,
      signal: this.#aborting.signal,
      agent: this.#agent,
    })
    const attempt = { id: `atmpt_${randomUUID().replaceAll('-', '')}`, dispatchedAt, faults: [...faults], ...reply }
    message.attempts.push(attempt)
    this.#tell(message, attempt)
    const { statusCode = 0 } = reply
    return statusCode >= 200 && statusCode < 300
  }

  /** A hook that throws must not end the sending. */
  #tell(message: Message, attempt: Attempt): void {
    try {
      this.#options.onAttempt?.(message, attempt)
    } catch (error) {
      process.emitWarning(`onAttempt threw: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #settle(message: PendingMessage, status: 'succeeded' | 'failed'): void {
    message.status = status
    this.#pendingCount -= 1
    if (this.#pendingCount === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }
}
