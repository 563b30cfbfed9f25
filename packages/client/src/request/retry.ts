import { type AnyScrapeNestError, isScrapeNestError } from '../errors.ts'
import { pause } from './pause.ts'
import { permanentFailureAdvice } from './permanent-failure.ts'
import { systemCodeOf } from './system-code.ts'

interface RetryOptions {
  readonly maxRetries: number
  /**
   * Whether sending the request twice is the same as sending it once. If not, it is only retried if the server refused it
   * before doing anything (429), or was never reached.
   */
  readonly idempotent: boolean
  readonly signal: AbortSignal | undefined
}

/** The longest pause before a retry. A longer `Retry-After` is left to the caller. */
const maxDelayMs = 30_000
const baseDelayMs = 500

/** Responses of a server that is over a limit or out of order. */
const retriedStatuses: ReadonlySet<number> = new Set([429, 500, 502, 503, 504])

/** Failures that happen before a request can have been sent. */
const notSentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * Sends a request, and sends it again if that is safe and may help: after `Retry-After`, or after exponential backoff with
 * full jitter. API calls and downloads follow this one policy.
 *
 * @param send one attempt. Its argument counts the attempts, from 1.
 * @throws what the last attempt throws; the signal's reason when aborted.
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

/** `undefined` if the server asks for more patience than this client has. */
function delayBeforeRetry(error: AnyScrapeNestError, attempts: number): number | undefined {
  const retryAfterSeconds = 'retryAfterSeconds' in error ? error.retryAfterSeconds : undefined
  if (retryAfterSeconds === undefined) return backoffMs(attempts)
  const delayMs = retryAfterSeconds * 1000
  return delayMs > maxDelayMs ? undefined : delayMs
}

/** Full jitter, so that clients that failed together do not return together. */
function backoffMs(attempts: number): number {
  return Math.min(maxDelayMs, Math.random() * baseDelayMs * 2 ** (attempts - 1))
}
