import { ScrapeNestError } from '../errors.ts'
import { permanentFailureAdvice } from './permanent-failure.ts'
import { reasonOf } from './system-code.ts'

interface FailedConnection {
  readonly attempts: number
  readonly cause: unknown
  /** @default the reason in `cause` */
  readonly reason?: string
}

/** `connection_failed`. @param request the subject of the message. */
export function connectionFailed(
  request: string,
  { attempts, cause, reason = reasonOf(cause) }: FailedConnection,
): ScrapeNestError {
  const count = attempts === 1 ? '1 attempt' : `${attempts} attempts`
  const advice = permanentFailureAdvice(cause)
  const message = `${request} failed after ${count}: ${reason}.${advice === undefined ? '' : ` ${advice}`}`
  return new ScrapeNestError({ code: 'connection_failed', message, attempts, cause })
}

/** `request_timeout`. @param request the subject of the message. */
export function requestTimedOut(request: string, timeoutMs: number): ScrapeNestError {
  const message = `${request} did not complete within ${timeoutMs} ms.`
  return new ScrapeNestError({ code: 'request_timeout', message, timeoutMs })
}
