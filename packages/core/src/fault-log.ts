import type { Logger } from './logger.ts'

const countingMs = 60_000

/**
 * Writes faults that a stranger can trigger: the first of each code at once, the following ones as a count per minute,
 * so that a flood of forged requests is no flood of log lines.
 */
export class FaultLog {
  readonly #counting = new Map<string, { repeats: number; readonly write: (repeats: number) => void }>()
  #timer: NodeJS.Timeout | undefined

  write(logger: Logger, level: 'warn' | 'error', fields: { readonly code: string }, message: string): void {
    const { code } = fields
    const counted = this.#counting.get(code)
    if (counted !== undefined) {
      counted.repeats += 1
      return
    }
    const write = (shown: object, text: string): void => void safely(() => logger[level](shown, text))
    write(fields, message)
    this.#counting.set(code, {
      repeats: 0,
      write: (repeats) => write({ code, repeats }, `${message} (${repeats} more within a minute)`),
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

/** Calls what belongs to somebody else: what it throws, or rejects with, goes to `failed` and nowhere else. */
export async function safely(call: () => unknown, failed: (error: unknown) => void = () => {}): Promise<void> {
  try {
    await call()
  } catch (error) {
    failed(error)
  }
}
