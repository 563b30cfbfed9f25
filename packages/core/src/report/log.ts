import { AsyncLocalStorage } from 'node:async_hooks'
import { inspect } from 'node:util'

/** The methods a logger needs, with the fields first, as in pino. Fastify's and pino-http's loggers and `console` fit. */
export interface Logger {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * The logger to use if the host has none. Warnings become Node's process warnings, which `process.on('warning')` receives
 * and `NODE_NO_WARNINGS=1` hides. Errors go to stderr, because a failing handler must always leave a trace.
 */
export const defaultLogger: Logger = {
  warn(fields: { code?: string }, message) {
    // An empty `{}` below the message would only raise questions.
    const detail = Object.keys(fields).length === 0 ? undefined : inspect(fields)
    process.emitWarning(message, { type: 'ScrapeNestWebhooks', detail, code: fields.code })
  },
  error(fields, message) {
    process.stderr.write(`${message} ${inspect(fields)}\n`)
  },
}

export interface LogLine {
  readonly logger: Logger
  readonly level: 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/** Writes lines that anyone on the internet can trigger: the first of a kind immediately, the rest as counts per minute. */
export interface RateLimitedLog {
  /**
   * @param kind usually a code. Lines of the same kind are counted together.
   * @returns whether the line was written now.
   */
  write(kind: string, line: LogLine): boolean
  /** Writes the pending counts and starts over. */
  flush(): void
}

/** @param prefix precedes the message of every line. */
export function createRateLimitedLog(prefix: string): RateLimitedLog {
  const counts = new Map<string, { repeats: number; readonly line: LogLine; readonly code: unknown }>()
  let timer: NodeJS.Timeout | undefined
  // A timer inherits the async context of its creation. Without this, the counts of all requests would be written in the
  // context of the first request.
  const inOwnContext = AsyncLocalStorage.snapshot()

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    inOwnContext(writeCounts)
  }

  function writeCounts(): void {
    for (const { repeats, line, code } of counts.values()) {
      if (repeats === 0) continue
      writeLine({
        ...line,
        fields: { code, repeats },
        message: `${prefix}${line.message} (${repeats} more within a minute)`,
      })
    }
    counts.clear()
  }

  return {
    write(kind, line) {
      const counted = counts.get(kind)
      if (counted !== undefined) {
        counted.repeats += 1
        return false
      }
      writeLine({ ...line, message: prefix + line.message })
      counts.set(kind, { repeats: 0, line, code: (line.fields as { code?: unknown }).code })
      // Unreferenced: a pending count must not keep the process alive.
      timer ??= inOwnContext(() => setTimeout(flush, 60_000).unref())
      return true
    },
    flush,
  }
}

/**
 * Writes one line. A logger that throws or rejects never affects the caller. The line is then written again without its
 * error, which may be the cause: it may be frozen, or have a getter that throws.
 */
export function writeLine({ logger, level, fields, message }: LogLine): void {
  const { err, ...others } = fields as { readonly err?: unknown }
  const retry = (): void => void safely(() => logger[level](others, `${message} (The error could not be printed.)`))
  void safely(() => logger[level](fields, message), err === undefined ? undefined : retry)
}

/** Calls user code. Whatever it throws or rejects with goes to `onFailure` only. */
export async function safely(call: () => unknown, onFailure?: (error: unknown) => void): Promise<void> {
  try {
    await call()
  } catch (error) {
    onFailure?.(error)
  }
}
