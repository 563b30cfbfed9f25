import { type AnyScrapeNestError, isScrapeNestError } from '../errors.ts'
import { pause } from './pause.ts'
import { permanentFailureAdvice } from './permanent-failure.ts'
import { systemCodeOf } from './system-code.ts'

interface RetryOptions {
  readonly maxRetries: number
  /**
   * Whether sending the request twice has the same effect as sending it once. If not, it is only retried if the server was
   * never reached or refused it before taking any action (429).
   */
  readonly idempotent: boolean
  readonly signal: AbortSignal | undefined
}

/** The longest pause before a retry, in milliseconds. A longer `Retry-After` is left to the caller. */
const maxDelayMs = 30_000
const baseDelayMs = 500

/** Statuses of a rate limit or a server failure. */
const retriedStatuses: ReadonlySet<number> = new Set([429, 500, 502, 503, 504])

/** Failures that occur before a request is sent. */
const notSentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * Sends a request and retries it if that is safe and may help, after `Retry-After` or exponential backoff with full jitter.
 * API calls and downloads share this policy.
 *
 * @param send makes one attempt. Its argument counts the attempts, from 1.
 * @throws the error of the last attempt, or the signal's reason when aborted.
 */
export async function withRetries<Result>(
  { maxRetries, idempotent, signal }: RetryOptions,
  send: (attempts: number) => Promise<Result>,
): Promise<Result> {
  for (let attempts = 1; ; attempts += 1) {
    signal?.throwIfAborted()
    try {
      return await send(attempts)
    } catch (error) {
      const mayRetry = attempts <= maxRetries && isScrapeNestError(error) && isWorthRetrying(error, idempotent)
      const delayMs = mayRetry ? delayBeforeRetry(error, attempts) : undefined
      if (delayMs === undefined) throw error
      await pause(delayMs, signal)
    }
  }
}

function isWorthRetrying(error: AnyScrapeNestError, idempotent: boolean): boolean {
  switch (error.code) {
    case 'rate_limited':
      return true
    case 'server_error':
    case 'download_failed':
      return idempotent && retriedStatuses.has(error.status)
    case 'request_timeout':
      return idempotent
    case 'connection_failed':
      if (permanentFailureAdvice(error.cause) !== undefined) return false
      return idempotent || notSentCodes.has(systemCodeOf(error.cause) ?? '')
    default:
      return false
  }
}

/** `undefined` if the server asks for a longer delay than `maxDelayMs`. */
function delayBeforeRetry(error: AnyScrapeNestError, attempts: number): number | undefined {
  const retryAfterSeconds = 'retryAfterSeconds' in error ? error.retryAfterSeconds : undefined
  if (retryAfterSeconds === undefined) return backoffMs(attempts)
  const delayMs = retryAfterSeconds * 1000
  return delayMs > maxDelayMs ? undefined : delayMs
}

/** Full jitter, so clients that failed together do not retry together. */
function backoffMs(attempts: number): number {
  return Math.min(maxDelayMs, Math.random() * baseDelayMs * 2 ** (attempts - 1))
}
