import type { Logger } from './logger.ts'

const countingMs = 60_000

/**
 * Writes faults that a stranger can trigger: the first of each code at once, the following ones as a count per minute,
 * so that a flood of forged requests is no flood of log lines.
 */
export class FaultLog {
  readonly #counting = new Map<string, { repeats: number; readonly write: (repeats: number) => void }>()
  #timer: NodeJS.Timeout | undefined

  write(
    logger: Logger,
    level: 'warn' | 'error',
    fault: { readonly code: string; readonly message: string; readonly fields: object },
  ): void {
    const counted = this.#counting.get(fault.code)
    if (counted !== undefined) {
      counted.repeats += 1
      return
    }
    const { code, message, fields } = fault
    safely(() => logger[level]({ code, ...fields }, message))
    this.#counting.set(code, {
      repeats: 0,
      write: (repeats) =>
        safely(() => logger[level]({ code, repeats }, `${message} (${repeats} more within a minute)`)),
    })
    // Unreferenced: a pending count is no reason to keep a process alive.
    this.#timer ??= setTimeout(() => this.flush(), countingMs).unref()
  }

  /** Writes what was counted and begins anew. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const { repeats, write } of this.#counting.values()) if (repeats > 0) write(repeats)
    this.#counting.clear()
  }
}

/** A logger that throws must not change a reply, and one whose promise rejects must not end the process. */
export function safely(write: () => unknown): void {
  try {
    void Promise.resolve(write()).catch(() => {})
  } catch {}
}
