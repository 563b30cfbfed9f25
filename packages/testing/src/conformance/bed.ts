import { gzipSync } from 'node:zlib'
import {
  createReceiver,
  type Delivery,
  type DeliveryOutcome,
  type Logger,
  type ReceiverOptions,
  type ScrapeNestEvents,
  type WebhookEvent,
} from '@scrapenest-webhooks/core'
import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'
import { type SignedDelivery, signDelivery } from '../deliveries.ts'
import { createEvent } from '../events.ts'
import { type FakeClock, fakeClock } from '../fake-clock.ts'
import { send, type WireReply, type WireRequest } from './http-client.ts'
import type { Arrangement, Condition, ConformanceServer } from './target.ts'

/** The steps of a delivery in order. The first that refuses it decides the reply. */
const stages = [
  'method',
  'source',
  'encoding',
  'length',
  'headers',
  'secret',
  'body',
  'signature',
  'envelope',
  'handling',
] as const
export type Stage = (typeof stages)[number]

/** The reply a delivery must get, unless its condition is refused at an earlier step. */
export interface Expectation {
  readonly at: Stage
  readonly status: number
  readonly body: { readonly status: string } | { readonly error: string }
  readonly headers?: Readonly<Record<string, string>>
}

export const conformanceSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
export const conformancePath = '/webhooks/scrapenest'
const maxBodyBytes = 16_384
/** For replies at the deadline: short, because the check waits for it. */
export const shortReplyTimeoutMs = 400
/** For all others: so long that a loaded machine makes no delivery late. */
const longReplyTimeoutMs = 10_000

/** The reply to a condition itself, and its step, whatever else is wrong with the delivery. */
const conditionReplies: { readonly [Name in Condition]?: Expectation } = {
  'parser first': { at: 'body', status: 500, body: { error: 'raw_body_unavailable' } },
  compressed: { at: 'encoding', status: 415, body: { error: 'content_encoding_unsupported' } },
  oversized: { at: 'length', status: 413, body: { error: 'body_too_large' } },
  slow: { at: 'body', status: 408, body: { error: 'body_timeout' } },
  aborted: { at: 'body', status: 400, body: { error: 'body_aborted' } },
}

const manners: { readonly [Name in Condition]?: WireRequest['manner'] } = {
  'chunked mid-code-point': 'bytes',
  slow: 'stalled',
  aborted: 'aborted',
}

export const accepted: Expectation = { at: 'handling', status: 202, body: { status: 'accepted' } }
export const duplicate: Expectation = { at: 'handling', status: 202, body: { status: 'duplicate' } }

export function refused(
  at: Stage,
  status: number,
  error: string,
  headers?: Readonly<Record<string, string>>,
): Expectation {
  return { at, status, body: { error }, ...(headers === undefined ? {} : { headers }) }
}

/** Thrown when a check fails. The message says what was expected and what was found. */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure'
}

/** What a check works with: a receiver behind a real server, and a client that sends under one condition. */
export class Bed {
  readonly condition: Condition
  readonly clock: FakeClock = fakeClock()
  readonly events: WebhookEvent[] = []
  readonly deliveries: Delivery<unknown>[] = []
  readonly unknownEvents: WebhookEvent[] = []
  readonly #outcomes: DeliveryOutcome[] = []
  #receiver: ReadyReceiver | undefined
  #server: ConformanceServer | undefined

  constructor(condition: Condition) {
    this.condition = condition
  }

  /** What the server passes deliveries to: the receiver that the check created last. */
  readonly proxy: ReadyReceiver = {
    receive: (request, context) => {
      if (this.#receiver === undefined)
        throw new ConformanceFailure('A delivery arrived before the check had created its receiver.')
      return this.#receiver.receive(request, context)
    },
    start: async () => {},
    close: async () => {},
  }

  get arrangement(): Arrangement {
    const { condition } = this
    return condition === 'parser first' || condition === 'captured raw body' ? condition : 'bare'
  }

  attach(server: ConformanceServer): void {
    this.#server = server
  }

  /** Creates the receiver of this check. `'*'` records what it handles, unless the check has handlers of its own. */
  receive(options: Partial<ReceiverOptions<ScrapeNestEvents>> = {}): ReadyReceiver {
    this.#receiver = createReceiver({
      secret: conformanceSecret,
      maxBodyBytes,
      replyTimeoutMs: this.condition === 'slow' ? shortReplyTimeoutMs : longReplyTimeoutMs,
      now: this.clock.now,
      logger: silent,
      onEvent: { '*': (event, delivery) => this.record(event, delivery) },
      onUnknownEvent: (event) => this.unknownEvents.push(event),
      onDelivery: (outcome) => this.#outcomes.push(outcome),
      ...options,
    }) as ReadyReceiver
    return this.#receiver
  }

  record(event: WebhookEvent, delivery: Delivery<unknown>): void {
    this.events.push(event)
    this.deliveries.push(delivery)
  }

  /** A correctly signed delivery of an event with multi-byte characters, at the time of this check's clock. */
  sign(
    payload: object | string | Uint8Array = createEvent('job.completed', { org_slug: 'zürich-🔑' }),
  ): SignedDelivery {
    return signDelivery(payload, { secret: conformanceSecret, sentAt: new Date(this.clock.now()) })
  }

  /**
   * Sends a delivery under the condition, and requires the reply of whichever step comes first.
   *
   * @throws {ConformanceFailure}
   */
  async expect(delivery: WireDelivery, expectation: Expectation): Promise<void> {
    const outcomesBefore = this.#outcomes.length
    const reply = await this.send(delivery)
    const expected = this.#expectedUnderCondition(expectation)
    if (this.condition === 'aborted' && delivery.body.byteLength > 0) {
      await this.#expectOutcome(outcomesBefore, expected)
      return
    }
    if (reply === undefined) throw new ConformanceFailure(`Expected ${describe(expected)}, got no reply.`)
    compare(expected, reply)
  }

  /**
   * Sends a delivery whose body the parser of this arrangement may have read, and requires the reply that fits.
   *
   * @throws {ConformanceFailure}
   */
  async expectEither(
    delivery: WireDelivery,
    { ifLost, ifUnread }: { readonly ifLost: Expectation; readonly ifUnread: Expectation },
  ): Promise<void> {
    const handledBefore = this.events.length
    const reply = await this.send(delivery)
    if (reply === undefined) throw new ConformanceFailure(`Expected ${describe(ifLost)}, got no reply.`)
    const isUnread = reply.status === ifUnread.status
    compare(isUnread ? ifUnread : ifLost, reply)
    const runs = this.events.length - handledBefore
    if (runs !== (isUnread ? 1 : 0)) {
      throw new ConformanceFailure(`Expected ${isUnread ? 1 : 0} runs of the handler, got ${runs}.`)
    }
  }

  send(delivery: WireDelivery): Promise<WireReply | undefined> {
    const { port } = this.#server as ConformanceServer
    const { method = 'POST', path = conformancePath } = delivery
    const { headers, body } = underCondition(delivery, this.condition)
    return send({ port, method, path, headers, body, manner: delivery.manner ?? manners[this.condition] ?? 'whole' })
  }

  /** Whether a delivery gets as far as the handlers under this condition. */
  get handlersRun(): boolean {
    return conditionReplies[this.condition] === undefined
  }

  /** Requires that handlers ran this often in this check, and never under a condition that stops deliveries. */
  expectHandled(times: number): void {
    const expected = this.handlersRun ? times : 0
    if (this.events.length !== expected) {
      throw new ConformanceFailure(`Expected ${expected} runs of the handler, got ${this.events.length}.`)
    }
  }

  #expectedUnderCondition(expectation: Expectation): Expectation {
    const ofCondition = conditionReplies[this.condition]
    if (ofCondition === undefined) return expectation
    return stages.indexOf(ofCondition.at) < stages.indexOf(expectation.at) ? ofCondition : expectation
  }

  /** No client is left to read the reply to an aborted delivery, so the receiver's own hook says what it decided. */
  async #expectOutcome(index: number, expected: Expectation): Promise<void> {
    const outcome = await until(() => this.#outcomes[index])
    const wanted = Object.values(expected.body)[0]
    if (outcome?.result === wanted) return
    throw new ConformanceFailure(
      `Expected the outcome ${wanted} of an aborted delivery, got ${outcome?.result ?? 'none'}.`,
    )
  }
}

/** A delivery as a check describes it. What is left out is as ScrapeNest sends it. */
export interface WireDelivery {
  readonly method?: string
  readonly path?: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
  readonly manner?: WireRequest['manner']
}

const silent: Logger = { warn() {}, error() {} }

function underCondition(delivery: WireDelivery, condition: Condition): Pick<WireRequest, 'headers' | 'body'> {
  const { headers, body } = delivery
  if (body.byteLength === 0) return { headers, body }
  if (condition === 'compressed') return { headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) }
  if (condition === 'oversized') return { headers, body: Buffer.concat([body, Buffer.alloc(maxBodyBytes, ' ')]) }
  return { headers, body }
}

function compare(expected: Expectation, reply: WireReply): void {
  const headers = { 'content-type': 'application/json; charset=utf-8', ...expected.headers }
  const isAsExpected =
    reply.status === expected.status &&
    reply.body === JSON.stringify(expected.body) &&
    Object.entries(headers).every(([name, value]) => reply.headers[name] === value)
  if (isAsExpected) return
  const got = `${reply.status} ${reply.body.slice(0, 200)} with ${JSON.stringify(reply.headers)}`
  throw new ConformanceFailure(`Expected ${describe(expected)} with ${JSON.stringify(headers)}, got ${got}.`)
}

function describe({ status, body }: Expectation): string {
  return `${status} ${JSON.stringify(body)}`
}

/** Waits for something that another connection causes, for at most two seconds. */
export async function until<Result>(look: () => Result | undefined): Promise<Result | undefined> {
  const endsAtMs = Date.now() + 2000
  for (;;) {
    const found = look()
    if (found !== undefined || Date.now() > endsAtMs) return found
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
