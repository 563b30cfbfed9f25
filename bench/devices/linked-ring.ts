// Open deliveries in a doubly linked ring, oldest first. All have the same time limit, so the oldest expires first.

interface Linked {
  older?: Linked | undefined
  newer?: Linked | undefined
}

interface Delivery extends Linked {
  readonly startedAtMs: number
  readonly isAnswered: boolean
}

interface OpenDeliveries {
  add(delivery: Delivery): void
  delete(delivery: Delivery): void
  all(): readonly Delivery[]
  empty(): Promise<void>
  stop(): void
}

export function createOpenDeliveries(timeoutMs: number, onLate: (delivery: Delivery) => void): OpenDeliveries {
  const ends: Linked = {}
  ends.older = ends
  ends.newer = ends
  const late = new Set<Delivery>()
  let timer: NodeJS.Timeout | undefined
  let onEmpty = (): void => {}

  function unlink(delivery: Linked): void {
    const { older, newer } = delivery as Required<Linked>
    ;(older as Linked).newer = newer
    ;(newer as Linked).older = older
    delivery.older = undefined
    delivery.newer = undefined
    if (ends.newer === ends) timer?.unref()
  }

  function checkDeadlines(): void {
    timer = undefined
    const nowMs = performance.now()
    while (ends.newer !== ends) {
      const delivery = ends.newer as Delivery
      const remainingMs = delivery.startedAtMs + timeoutMs - nowMs
      if (remainingMs > 0) {
        timer = setTimeout(checkDeadlines, Math.ceil(remainingMs))
        return
      }
      unlink(delivery)
      late.add(delivery)
      if (!delivery.isAnswered) onLate(delivery)
    }
  }

  return {
    add(delivery) {
      const older = ends.older as Linked
      delivery.older = older
      delivery.newer = ends
      older.newer = delivery
      ends.older = delivery
      timer ??= setTimeout(checkDeadlines, timeoutMs)
      if (older === ends) timer.ref()
    },
    delete(delivery) {
      if (delivery.newer === undefined) late.delete(delivery)
      else unlink(delivery)
      if (ends.newer === ends && late.size === 0) onEmpty()
    },
    all() {
      const open = [...late]
      for (let one = ends.newer as Linked; one !== ends; one = one.newer as Linked) open.push(one as Delivery)
      return open
    },
    async empty() {
      if (ends.newer === ends && late.size === 0) return
      await new Promise<void>((resolve) => {
        onEmpty = resolve
      })
    },
    stop: () => clearTimeout(timer),
  }
}
