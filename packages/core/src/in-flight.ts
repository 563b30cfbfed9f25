import type { Reception } from './reception.ts'

/** A place in the ring of requests that are not late yet; without neighbours, in none. */
export interface Linked {
  older?: Linked | undefined
  newer?: Linked | undefined
}

/**
 * The requests that are being worked on. Ends the wait for those that take too long, with one timer for all of them (one
 * for each would be made and cleared for nothing), and tells when no handler runs any more.
 */
export interface InFlight<Context> {
  add(reception: Reception<Context>): void
  delete(reception: Reception<Context>): void
  /** Those whose handlers run, or whose event is being stored. */
  handled(): readonly Reception<Context>[]
  /** Resolves when nothing is handled, or when the time is over. */
  idleWithin(timeoutMs: number): Promise<void>
}

export function createInFlight<Context>(
  timeoutMs: number,
  onLate: (reception: Reception<Context>) => void,
): InFlight<Context> {
  // All may take equally long, so the oldest is always the next to be late. Linked to a ring, because a set hashes what it
  // holds, and is built anew as it shrinks and grows with each batch of requests.
  const ends: Linked = {}
  ends.older = ends
  ends.newer = ends
  /** Answered without a result, and still worked on. */
  const late = new Set<Reception<Context>>()
  let timer: NodeJS.Timeout | undefined
  /** Told of each request that is over; set only while closing. */
  let onDelete: (() => void) | undefined

  function unlink(reception: Linked): void {
    const { older, newer } = reception
    ;(older as Linked).newer = newer
    ;(newer as Linked).older = older
    // What is over must hold nothing: the garbage collector takes its time to see that an old link leads nowhere.
    reception.older = undefined
    reception.newer = undefined
    if (ends.newer === ends) timer?.unref()
  }

  function endLate(): void {
    timer = undefined
    const nowMs = performance.now()
    while (ends.newer !== ends) {
      const reception = ends.newer as Reception<Context>
      const remainingMs = reception.startedAtMs + timeoutMs - nowMs
      if (remainingMs > 0) {
        timer = setTimeout(endLate, Math.ceil(remainingMs))
        return
      }
      unlink(reception)
      // Of the others nothing will be handled, and a body may never come.
      if (reception.delivery) late.add(reception)
      onLate(reception)
    }
  }

  function handled(): readonly Reception<Context>[] {
    const receptions = [...late]
    for (let one = ends.newer as Linked; one !== ends; one = one.newer as Linked) {
      if ((one as Reception<Context>).delivery) receptions.push(one as Reception<Context>)
    }
    return receptions
  }

  return {
    add(reception) {
      const older = ends.older as Linked
      reception.older = older
      reception.newer = ends
      older.newer = reception
      ends.older = reception
      timer ??= setTimeout(endLate, timeoutMs)
      // It outlives the request that began it, to be there for the next ones; it keeps the process alive as long as somebody
      // waits, and no longer.
      if (older === ends) timer.ref()
    },
    delete(reception) {
      if (reception.newer === undefined) late.delete(reception)
      else unlink(reception)
      onDelete?.()
    },
    handled,
    async idleWithin(graceMs) {
      await new Promise<void>((resolve) => {
        const giveUp = setTimeout(resolve, graceMs)
        onDelete = () => {
          if (handled().length > 0) return
          clearTimeout(giveUp)
          resolve()
        }
        onDelete()
      })
      // Nobody waits, and nobody will: a timer would keep all that the receiver holds from being collected.
      if (ends.newer === ends) clearTimeout(timer)
    },
  }
}
