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
import type { Arrangement, Condition } from './conditions.ts'
import { ConformanceFailure } from './conformance-failure.ts'
import { compareReply, describeExpectation, type Expectation, expectedUnder, reachesHandlers } from './expectation.ts'
import { sendRequest, type WireReply, type WireRequest } from './send-request.ts'
import type { ConformanceServer, ConformanceTarget } from './target.ts'

export const conformanceSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
export const conformancePath = '/webhooks/scrapenest'
const maxBodyBytes = 16_384
/** For bodies that never arrive. Short, because the check waits for it. */
const slowReplyTimeoutMs = 50
/** For all others. Long enough that no delivery is late on a loaded machine. */
const longReplyTimeoutMs = 10_000

const manners: { readonly [Name in Condition]?: WireRequest['manner'] } = {
  'chunked mid-code-point': 'bytes',
  slow: 'stalled',
  aborted: 'aborted',
}

/** A delivery as a check describes it. Omitted fields are as ScrapeNest sends them. */
export interface WireDelivery {
  readonly method?: string
  readonly path?: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
  readonly manner?: WireRequest['manner']
}

/** The tools of a check: a receiver behind a real server, and a client that sends under one condition. */
export class CheckContext {
  readonly condition: Condition
  readonly clock: FakeClock = fakeClock()
  readonly events: WebhookEvent[] = []
  readonly deliveries: Delivery<unknown>[] = []
  readonly unknownEvents: WebhookEvent[] = []
  readonly #timeoutMs: number
  readonly #outcomes: DeliveryOutcome[] = []
  #receiver: ReadyReceiver | undefined
  #server: ConformanceServer | undefined

  constructor(condition: Condition, { timeoutMs = 5000 }: Pick<ConformanceTarget, 'timeoutMs'>) {
    this.condition = condition
    this.#timeoutMs = timeoutMs
  }

  /** The receiver to pass to the server. Forwards deliveries to the receiver that the check created last. */
  readonly receiver: ReadyReceiver = {
    receive: (request, context) => {
      if (this.#receiver === undefined)
        throw new ConformanceFailure('A delivery arrived before the check created its receiver.')
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

  /** Creates the receiver of this check. By default, a `'*'` handler records events. */
  createReceiver(options: Partial<ReceiverOptions<ScrapeNestEvents>> = {}): ReadyReceiver {
    this.#receiver = createReceiver({
      secret: conformanceSecret,
      maxBodyBytes,
      replyTimeoutMs: this.condition === 'slow' ? slowReplyTimeoutMs : longReplyTimeoutMs,
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

  /** Signs a delivery at the time of this check's clock. By default, an event with multi-byte characters. */
  sign(
    payload: object | string | Uint8Array = createEvent('job.completed', { org_slug: 'zürich-🔑' }),
  ): SignedDelivery {
    return signDelivery(payload, { secret: conformanceSecret, sentAt: new Date(this.clock.now()) })
  }

  /**
   * Sends a delivery under the condition. Requires the reply that the check expects, unless the condition stops the
   * delivery at an earlier step.
   *
   * @throws {ConformanceFailure} the reply differs.
   */
  async expectReply(delivery: WireDelivery, expectation: Expectation): Promise<void> {
    const outcomesBefore = this.#outcomes.length
    const expected = expectedUnder(this.condition, expectation)
    const reply = await this.#send(delivery, expected)
    if (reply === undefined) await this.#expectOutcome(outcomesBefore, expected)
    else compareReply(expected, reply)
  }

  /**
   * Sends a delivery whose body the parser of this arrangement may have read, and requires the matching reply.
   *
   * @throws {ConformanceFailure} the reply differs, or the handler ran when it should not have.
   */
  async expectEither(
    delivery: WireDelivery,
    { ifLost, ifUnread }: { readonly ifLost: Expectation; readonly ifUnread: Expectation },
  ): Promise<void> {
    const handledBefore = this.events.length
    const reply = (await this.#send(delivery, ifLost)) as WireReply
    const isUnread = reply.status === ifUnread.status
    compareReply(isUnread ? ifUnread : ifLost, reply)
    const runs = this.events.length - handledBefore
    if (runs !== (isUnread ? 1 : 0)) {
      throw new ConformanceFailure(`Expected the handler to run ${isUnread ? 1 : 0} times, but it ran ${runs} times.`)
    }
  }

  /** Requires this number of handler runs in this check, or none under a condition that stops deliveries. */
  expectHandled(times: number): void {
    const expected = reachesHandlers(this.condition) ? times : 0
    if (this.events.length !== expected) {
      throw new ConformanceFailure(
        `Expected the handler to run ${expected} times, but it ran ${this.events.length} times.`,
      )
    }
  }

  /** Waits for something that another connection causes. Resolves with `undefined` if it does not happen in time. */
  async waitFor<Result>(find: () => Result | undefined): Promise<Result | undefined> {
    const endsAtMs = performance.now() + this.#timeoutMs
    for (;;) {
      const found = find()
      if (found !== undefined || performance.now() > endsAtMs) return found
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  /** Resolves with `undefined` only for a delivery that the client aborts. */
  async #send(delivery: WireDelivery, expected: Expectation): Promise<WireReply | undefined> {
    const { port } = this.#server as ConformanceServer
    const { method = 'POST', path = conformancePath } = delivery
    const manner = delivery.manner ?? manners[this.condition] ?? 'whole'
    const { headers, body } = underCondition(delivery, this.condition)
    try {
      return await sendRequest({ port, method, path, headers, body, manner, timeoutMs: this.#timeoutMs })
    } catch (cause) {
      const reason = (cause as Error).message
      throw new ConformanceFailure(`Expected ${describeExpectation(expected)}, got no reply: ${reason}.`, { cause })
    }
  }

  /** An aborted delivery leaves no client to read the reply, so this checks what the receiver's hook reports. */
  async #expectOutcome(index: number, expected: Expectation): Promise<void> {
    const outcome = await this.waitFor(() => this.#outcomes[index])
    const wanted = Object.values(expected.body)[0]
    if (outcome?.result === wanted) return
    throw new ConformanceFailure(
      `Expected the outcome of an aborted delivery to be ${wanted}, got ${outcome?.result ?? 'none'}.`,
    )
  }
}

const silent: Logger = { warn() {}, error() {} }

function underCondition(delivery: WireDelivery, condition: Condition): Pick<WireRequest, 'headers' | 'body'> {
  const { headers, body } = delivery
  if (body.byteLength === 0) return { headers, body }
  if (condition === 'compressed') return { headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) }
  if (condition === 'oversized') return { headers, body: Buffer.concat([body, Buffer.alloc(maxBodyBytes, ' ')]) }
  return { headers, body }
}
