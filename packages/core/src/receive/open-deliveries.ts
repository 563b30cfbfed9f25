import { AsyncLocalStorage } from 'node:async_hooks'
import type { OpenDelivery } from './phases.ts'

/** The deliveries in progress, with the reply deadline of each. */
export interface OpenDeliveries<Context> {
  add(delivery: OpenDelivery<Context>): void
  /** Idempotent. */
  delete(delivery: OpenDelivery<Context>): void
  /** A copy, so that the list may change meanwhile. */
  all(): readonly OpenDelivery<Context>[]
  /** Resolves when no delivery is open. */
  empty(): Promise<void>
  /** Clears the timer, which would keep the process and all that the receiver holds alive. */
  stop(): void
}

/**
 * One timer serves all deliveries, because setting and clearing one per delivery costs a seventh of a delivery's CPU time
 * (`docs/decisions/0009-plain-devices.md`).
 *
 * @param onLate called once for each delivery that has not been answered `timeoutMs` after its start.
 */
export function createOpenDeliveries<Context>(
  timeoutMs: number,
  onLate: (delivery: OpenDelivery<Context>) => void,
): OpenDeliveries<Context> {
  const open: OpenDelivery<Context>[] = []
  let timer: NodeJS.Timeout | undefined
  let onEmpty = (): void => {}
  // Not in the async context of the delivery that happens to set the timer, which would be kept alive.
  const inOwnContext = AsyncLocalStorage.snapshot()

  /** Reports what is late, and waits for what will be late next. */
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
      // The last one takes the free position: removing from the middle of an array would move all that follow.
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
