export interface GroupCommitOptions<Connection> {
  /** Runs the work in one transaction; throws when none of it was kept. */
  readonly transact: (work: (connection: Connection) => void) => void
  /** Whether an error means that another process holds the lock. */
  readonly isLocked: (error: unknown) => boolean
  /** How long an operation waits for the lock of another process, in milliseconds. */
  readonly lockTimeoutMs: number
}

interface Operation<Connection> {
  readonly run: (connection: Connection) => void
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  readonly sinceMs: number
}

/** No operation waits longer for others, and no transaction works longer: the event loop is not held up by a crowd. */
const maxHoldMs = 10

/**
 * Puts all operations that come in one turn of the event loop, or in turns one after the other, into one transaction, with
 * one fsync, which the deliveries that came together share. An operation is settled when its transaction is.
 *
 * A transaction that fails rejects exactly the operations it held. While another process holds the lock nothing was held:
 * the operations wait and are tried again, each for at most `lockTimeoutMs`.
 */
export class GroupCommit<Connection> {
  readonly #options: GroupCommitOptions<Connection>
  #waiting: Operation<Connection>[] = []
  #isScheduled = false

  constructor(options: GroupCommitOptions<Connection>) {
    this.#options = options
  }

  /** Whether operations are waiting for their transaction. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves when no operation is waiting, whatever became of them. */
  async settled(): Promise<void> {
    while (this.#waiting.length > 0) await this.run(() => {}).catch(() => {})
  }

  /** @param operation runs inside the transaction: it must be synchronous and must call nothing of the user's. */
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
   * Waits as long as each turn brings more: what came together is not put in the same turn, because bodies are read at the
   * end of one, and a transaction costs much the same for one operation as for many.
   */
  #flushSoon(): void {
    this.#isScheduled = true
    const count = this.#waiting.length
    setImmediate(() =>
      setImmediate(() => {
        const [oldest] = this.#waiting
        const isLate = oldest !== undefined && performance.now() - oldest.sinceMs > maxHoldMs
        if (this.#waiting.length > count && !isLate) this.#flushSoon()
        else this.#flush()
      }),
    )
  }

  #flush(): void {
    this.#isScheduled = false
    const held: Operation<Connection>[] = []
    try {
      this.#options.transact((connection) => this.#runUntilLate(connection, held))
    } catch (error) {
      if (held.length === 0 && this.#options.isLocked(error)) this.#waitForLock(error)
      // The file could not be opened, or BEGIN failed: that is everybody's failure.
      else this.#reject(held.length === 0 ? this.#waiting.length : held.length, error)
      return
    }
    this.#waiting.splice(0, held.length)
    for (const { resolve } of held) resolve()
    if (this.#waiting.length > 0) this.#flushSoon()
  }

  #runUntilLate(connection: Connection, held: Operation<Connection>[]): void {
    const startedAtMs = performance.now()
    for (const operation of this.#waiting) {
      held.push(operation)
      operation.run(connection)
      if (performance.now() - startedAtMs > maxHoldMs) return
    }
  }

  #reject(count: number, error: unknown): void {
    for (const { reject } of this.#waiting.splice(0, count)) reject(error)
    if (this.#waiting.length > 0) this.#flushSoon()
  }

  #waitForLock(error: unknown): void {
    const tooOldMs = performance.now() - this.#options.lockTimeoutMs
    // In the order in which they came, so the oldest are first.
    const firstYoung = this.#waiting.findIndex(({ sinceMs }) => sinceMs > tooOldMs)
    const count = firstYoung === -1 ? this.#waiting.length : firstYoung
    for (const { reject } of this.#waiting.splice(0, count)) reject(error)
    if (this.#waiting.length === 0) return
    this.#isScheduled = true
    setTimeout(() => this.#flush(), lockRetryMs())
  }
}

/** Until the lock is tried again. By chance, so that processes that wait for the same lock do not come back together. */
export function lockRetryMs(): number {
  return 5 + Math.random() * 30
}
