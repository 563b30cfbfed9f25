// Real timers, even in a test that has replaced the global ones, because a store must still answer.
import { setImmediate, setTimeout } from 'node:timers'
export interface GroupCommitOptions<Connection> {
  /** Runs the work in one transaction. Throws if it was rolled back. */
  readonly transact: (work: (connection: Connection) => void) => void
  /** Whether an error means that another process holds the lock. */
  readonly isLocked: (error: unknown) => boolean
  /** Whether an error concerns the store, and therefore every operation, not just the one that threw it. */
  readonly isStoreFault: (error: unknown) => boolean
  /** Read in each transaction. Changes when another process has written. */
  readonly versionOf: (connection: Connection) => unknown
  /** How long an operation waits for the lock of another process, in milliseconds. */
  readonly lockTimeoutMs: number
}

interface Operation<Connection> {
  readonly run: (connection: Connection) => void
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  readonly sinceMs: number
}

/** The operations of one transaction. */
interface Batch<Connection> {
  readonly held: Operation<Connection>[]
  /** The operation that is running. It caused any error that ends the transaction. */
  running: Operation<Connection> | undefined
}

/**
 * How long an operation may wait for others, and how long a transaction may run, in milliseconds. Keeps a burst from
 * blocking the event loop.
 */
const maxHoldMs = 10

/** For how long to expect more writes after another process wrote or held the lock, in milliseconds. */
const sharedForMs = 10_000

/** The longest gap between two transactions, in milliseconds: enough for several tries at the lock (`lockRetryMs`). */
const maxGapMs = 20

/** No gap follows a transaction shorter than this, in milliseconds: others simply wait for it to end (`busy_timeout`). */
const shortMs = 2

/**
 * Groups the operations of one or several consecutive turns of the event loop into one transaction with one fsync. An
 * operation settles with its transaction.
 *
 * - If the store fails, exactly the operations in that transaction are rejected.
 * - If an operation throws, only that one is rejected. The others run again without it.
 * - While another process holds the lock, operations wait and are retried, each for up to `lockTimeoutMs`.
 * - While other processes write too, each transaction is followed by a gap in which they can take the lock. Without the gap,
 *   a slow disk would keep the lock held nearly all the time, and a process that tries at random moments would starve.
 */
export class GroupCommit<Connection> {
  readonly #options: GroupCommitOptions<Connection>
  #waiting: Operation<Connection>[] = []
  #isScheduled = false
  #version: unknown
  /** Other processes are expected to write until then. */
  #isSharedUntilMs = 0
  /** When the next transaction may begin. */
  #gapEndsAtMs = 0

  constructor(options: GroupCommitOptions<Connection>) {
    this.#options = options
  }

  /** Whether operations are waiting for their transaction. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves when no operation is waiting. */
  async settled(): Promise<void> {
    while (this.#waiting.length > 0) await this.run(() => {}).catch(() => {})
  }

  /** @param operation runs inside the transaction, possibly twice. Must be synchronous and must not call user code. */
  run<Result>(operation: (connection: Connection) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      let result: Result
      this.#waiting.push({
        run: (connection) => {
          result = operation(connection)
        },
        resolve: () => resolve(result),
        reject,
        sinceMs: performance.now(),
      })
      if (!this.#isScheduled) this.#flushSoon()
    })
  }

  /**
   * Keeps batching while each turn adds operations, up to `maxHoldMs`: deliveries that arrive together are stored in
   * consecutive turns, and a transaction costs about the same for one operation as for many.
   */
  #flushSoon(): void {
    this.#isScheduled = true
    const count = this.#waiting.length
    setImmediate(() =>
      setImmediate(() => {
        const [oldest] = this.#waiting
        const isLate = oldest !== undefined && performance.now() - oldest.sinceMs > maxHoldMs
        if (this.#waiting.length > count && !isLate) this.#flushSoon()
        else this.#flushAfterGap()
      }),
    )
  }

  #flushAfterGap(): void {
    const gapMs = this.#gapEndsAtMs - performance.now()
    if (gapMs > 0) setTimeout(() => this.#flush(), gapMs)
    else this.#flush()
  }

  #flush(): void {
    this.#isScheduled = false
    const batch: Batch<Connection> = { held: [], running: undefined }
    const { held } = batch
    const startedAtMs = performance.now()
    try {
      this.#options.transact((connection) => this.#runUntilLate(connection, batch))
    } catch (error) {
      if (batch.running !== undefined && !this.#options.isStoreFault(error)) this.#rejectOne(batch.running, error)
      else if (held.length === 0 && this.#options.isLocked(error)) this.#waitForLock(error)
      // If none has run, opening the file or BEGIN failed, which concerns all of them.
      else this.#reject(held.length === 0 ? this.#waiting.length : held.length, error)
      return
    }
    this.#leaveGap(startedAtMs)
    this.#waiting.splice(0, held.length)
    for (const { resolve } of held) resolve()
    if (this.#waiting.length > 0) this.#flushSoon()
  }

  #runUntilLate(connection: Connection, batch: Batch<Connection>): void {
    const startedAtMs = performance.now()
    this.#noticeWriters(connection)
    for (const operation of this.#waiting) {
      batch.held.push(operation)
      batch.running = operation
      operation.run(connection)
      batch.running = undefined
      if (performance.now() - startedAtMs > maxHoldMs) return
    }
  }

  #noticeWriters(connection: Connection): void {
    const version = this.#options.versionOf(connection)
    if (this.#version !== undefined && version !== this.#version) this.#expectWriters()
    this.#version = version
  }

  #expectWriters(): void {
    this.#isSharedUntilMs = performance.now() + sharedForMs
  }

  #leaveGap(startedAtMs: number): void {
    const nowMs = performance.now()
    const durationMs = nowMs - startedAtMs
    if (nowMs > this.#isSharedUntilMs || durationMs < shortMs) return
    this.#gapEndsAtMs = nowMs + Math.min(maxGapMs, durationMs / 2)
  }

  #rejectOne(operation: Operation<Connection>, error: unknown): void {
    this.#waiting.splice(this.#waiting.indexOf(operation), 1)
    operation.reject(error)
    if (this.#waiting.length > 0) this.#flush()
  }

  #reject(count: number, error: unknown): void {
    for (const { reject } of this.#waiting.splice(0, count)) reject(error)
    if (this.#waiting.length > 0) this.#flushSoon()
  }

  #waitForLock(error: unknown): void {
    this.#expectWriters()
    const tooOldMs = performance.now() - this.#options.lockTimeoutMs
    // Oldest first.
    const firstYoung = this.#waiting.findIndex(({ sinceMs }) => sinceMs > tooOldMs)
    const count = firstYoung === -1 ? this.#waiting.length : firstYoung
    for (const { reject } of this.#waiting.splice(0, count)) reject(error)
    if (this.#waiting.length === 0) return
    this.#isScheduled = true
    setTimeout(() => this.#flush(), lockRetryMs())
  }
}

/** Milliseconds until the next try for the lock. Random, so waiting processes do not all try at once. */
export function lockRetryMs(): number {
  return 1 + Math.random() * 4
}
