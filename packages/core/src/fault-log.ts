import type { Logger } from './logger.ts'

/**
 * Writes faults that a stranger can trigger: the first of each code at once, the following ones as a count per minute,
 * so that a flood of forged requests is no flood of log lines.
 */
export interface FaultLog {
  write(logger: Logger, level: 'warn' | 'error', fields: { readonly code: string }, message: string): void
  /** Writes what was counted and begins anew. */
  flush(): void
}

/** @param prefix of every line. */
export function createFaultLog(prefix: string): FaultLog {
  const repeatsOf = new Map<string, { repeats: number; readonly write: (repeats: number) => void }>()
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    for (const { repeats, write } of repeatsOf.values()) if (repeats > 0) write(repeats)
    repeatsOf.clear()
  }

  return {
    write(logger, level, { code, ...fields }, message) {
      const counted = repeatsOf.get(code)
      if (counted !== undefined) {
        counted.repeats += 1
        return
      }
      const write = (shown: object, text: string): void =>
        void safely(() => logger[level]({ code, ...shown }, prefix + text))
      write(fields, message)
      repeatsOf.set(code, {
        repeats: 0,
        write: (repeats) => write({ repeats }, `${message} (${repeats} more within a minute)`),
      })
      // Unreferenced: a pending count is no reason to keep a process alive.
      timer ??= setTimeout(flush, 60_000).unref()
    },
    flush,
  }
}

/** Calls what belongs to somebody else: what it throws, or rejects with, goes to `failed` and nowhere else. */
export async function safely(call: () => unknown, failed?: (error: unknown) => void): Promise<void> {
  try {
    await call()
  } catch (error) {
    failed?.(error)
  }
}
