import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { Logger } from '../report/log.ts'
import type { EventIds, Subject } from '../report/reporter.ts'
import type { Phase } from './phases.ts'
import type { Outcome, WebhookReply } from './reply.ts'
import { loggerOf, remoteAddressOf, type WebhookRequest } from './request.ts'

/** A delivery in progress: its phase, and what is known about it so far. */
export class OpenDelivery<Context> implements Subject {
  readonly request: WebhookRequest
  readonly context: Context | undefined
  /** Sends the reply to the host. */
  readonly sendReply: (reply: WebhookReply) => void
  /** Monotonic (`performance.now()`). */
  readonly startedAtMs: number = performance.now()
  // Captures the async context of the request. `AsyncLocalStorage.snapshot()` would too, at many times the cost
  // (`bench/devices.ts`).
  readonly #resource = new AsyncResource('SCRAPENEST_DELIVERY')
  phase: Phase = 'headers'
  isAnswered = false
  ids: EventIds = {}
  secretIndex: number | undefined
  /** Aborts the handlers' `signal`; set when they start. */
  controller: AbortController | undefined
  /** Set when the handlers are done. */
  result: Outcome | undefined
  /** Index in the list of open deliveries, which maintains it. */
  position = -1

  constructor(request: WebhookRequest, context: Context | undefined, sendReply: (reply: WebhookReply) => void) {
    this.request = request
    this.context = context
    this.sendReply = sendReply
  }

  /** Runs a function in the async context of the request: the deadline timer and `close()` run in another. */
  inContext(run: () => void): void {
    this.#resource.runInAsyncScope(run)
  }

  get remoteAddress(): string | undefined {
    return remoteAddressOf(this.request)
  }

  get logger(): Logger | undefined {
    return loggerOf(this.request)
  }

  get isUnverified(): boolean {
    return this.secretIndex === undefined
  }
}

/** The deliveries in progress, with the reply deadline of each. */
export interface OpenDeliveries<Context> {
  add(delivery: OpenDelivery<Context>): void
  /** Idempotent. */
  delete(delivery: OpenDelivery<Context>): void
  /** A copy, so that deliveries can be added and deleted during iteration. */
  all(): readonly OpenDelivery<Context>[]
  /** Resolves when no delivery is open. */
  empty(): Promise<void>
  /** Clears the timer. Otherwise it keeps the receiver in memory, and the process alive while a delivery is open. */
  stop(): void
}

/**
 * One timer serves all deliveries, because one per delivery costs CPU time
 * (`docs/decisions/0009-rooms-phases-and-plain-devices.md`).
 *
 * @param onLate answers a delivery. Called `timeoutMs` after its start if it has not been answered by then.
 */
export function createOpenDeliveries<Context>(
  timeoutMs: number,
  onLate: (delivery: OpenDelivery<Context>) => void,
): OpenDeliveries<Context> {
  const open: OpenDelivery<Context>[] = []
  let timer: NodeJS.Timeout | undefined
  let onEmpty = (): void => {}
  // If the timer ran in the async context of the delivery that sets it, it would keep that context alive.
  const inOwnContext = AsyncLocalStorage.snapshot()

  /** Answers late deliveries, and sets the timer for the next deadline. */
  function checkDeadlines(): void {
    timer = undefined
    const nowMs = performance.now()
    let nextMs = Number.POSITIVE_INFINITY
    for (const delivery of [...open]) {
      if (delivery.isAnswered) continue
      const remainingMs = delivery.startedAtMs + timeoutMs - nowMs
      if (remainingMs > 0) nextMs = Math.min(nextMs, remainingMs)
      else onLate(delivery)
    }
    if (nextMs !== Number.POSITIVE_INFINITY) timer = setTimeout(checkDeadlines, Math.ceil(nextMs))
  }

  return {
    add(delivery) {
      delivery.position = open.length
      open.push(delivery)
      timer ??= inOwnContext(() => setTimeout(checkDeadlines, timeoutMs))
      // The timer outlives the delivery that set it, but keeps the process alive only while one is open.
      if (open.length === 1) timer.ref()
    },
    delete(delivery) {
      if (delivery.position === -1) return
      // The last one takes the free index, because removing from the middle of an array would move the rest.
      const last = open.pop() as OpenDelivery<Context>
      if (last !== delivery) {
        open[delivery.position] = last
        last.position = delivery.position
      }
      delivery.position = -1
      if (open.length > 0) return
      timer?.unref()
      onEmpty()
    },
    all: () => [...open],
    async empty() {
      if (open.length === 0) return
      await new Promise<void>((resolve) => {
        onEmpty = resolve
      })
    },
    stop: () => clearTimeout(timer),
  }
}
