import { withoutUndefined } from '../check.ts'
import {
  type Acknowledgement,
  codeOf,
  type ReportCode,
  reportCodeOf,
  rowOf,
  type WebhookError,
  type WebhookErrorCode,
  withPage,
} from '../errors.ts'
import { createRateLimitedLog, type Logger, safely, writeLine } from './log.ts'

/** The ids in a report. */
export interface EventIds {
  /** `svix-id`. Not authenticated until the delivery has been verified. */
  readonly messageId?: string | undefined
  readonly eventId?: string | undefined
  readonly eventType?: string | undefined
}

/** Which attempt failed, and when the next one is due. Absent without an inbox. */
export interface AttemptFacts {
  /** The number of the failed attempt, from 1. */
  readonly attempt?: number | undefined
  /** The configured maximum number of attempts. */
  readonly maxAttempts?: number | undefined
  /** When the next attempt is due. Absent if the event is dead. */
  readonly nextAttemptAt?: Date | undefined
}

/** The second argument of `onError`. Never contains `data`, because a `download_url` is a credential. */
export interface ErrorContext extends EventIds, AttemptFacts {
  /** What kind of failure it is. `docs/errors` has a page for each code. */
  readonly code: ReportCode
}

/** The outcome of one delivery. Never contains `data`, a secret or a signature. */
export interface DeliveryOutcome extends EventIds {
  /** The HTTP status of the reply. */
  readonly status: number
  /** The acknowledgement or the code. `unhandled`: acknowledged as `accepted`, but no handler matched the event. */
  readonly result: Acknowledgement | 'unhandled' | WebhookErrorCode
  /** From the call of `receive` to the reply, in milliseconds. */
  readonly durationMs: number
  /** Index of the matching secret. Absent if the delivery was not verified. */
  readonly secretIndex?: number | undefined
  /** The client's address, as the host reports it. */
  readonly remoteAddress?: string | undefined
  /** Why the delivery was refused or failed. */
  readonly error?: WebhookError | undefined
}

/** What a report is about: a delivery, a stored event, or neither. */
export interface Subject {
  readonly ids: EventIds
  readonly remoteAddress?: string | undefined
  /** The host's logger for this request. */
  readonly logger?: Logger | undefined
  /** The request has not been verified, so anyone on the internet can trigger this report. */
  readonly isUnverified?: boolean
  readonly attempt?: AttemptFacts | undefined
}

/** Reports outcomes to the log and the hooks. A hook cannot change, delay or break a reply. */
export interface Reporter {
  /** Reports a failure at the level of its code. Any other error counts as a failed handler. */
  reportFailure(error: unknown, subject: Subject): void
  /**
   * Reports each failure of handlers and schemas. Not rate limited, because only verified events get here.
   */
  reportHandlerFailures(failures: readonly unknown[], subject: Subject): void
  /** Reports a delivery to `onDelivery`, once its reply is known. */
  reportOutcome(outcome: () => DeliveryOutcome): void
  /** Logs a warning. Repeats of the same text are counted per minute. */
  warn(message: string): void
  /**
   * Records that a delivery was verified, which proves that this server keeps the raw body of genuine deliveries. From then
   * on, a lost raw body is logged but not passed to `onError`: anyone can cause one by sending a content type that
   * another parser reads, and must not be able to page you.
   */
  deliveryVerified(): void
  /** Calls a hook without waiting for it. Logs what it throws. */
  callHook(hook: () => unknown): void
  /** Writes the pending counts of the log. */
  flush(): void
}

export interface ReporterOptions {
  readonly name: string
  readonly logger: Logger
  readonly onError?: ((error: unknown, context: ErrorContext) => unknown) | undefined
  /** Absent in a worker, which sees no deliveries. */
  readonly onDelivery?: ((outcome: DeliveryOutcome) => unknown) | undefined
}

export function createReporter({ name, logger, onError, onDelivery }: ReporterOptions): Reporter {
  const prefix = `[${name} webhooks] `
  const log = createRateLimitedLog(prefix)
  let hasVerified = false

  function callHook(hook: () => unknown): void {
    void safely(hook, (err) => {
      log.write('hook_failed', {
        logger,
        level: 'error',
        fields: { code: 'hook_failed', err },
        message: withPage('A hook failed.', 'hook_failed'),
      })
    })
  }

  function callOnError(error: unknown, code: ReportCode, { ids, attempt }: Subject): void {
    callHook(() => onError?.(error, { code, ...ids, ...attempt }))
  }

  /** Reports one error without a rate limit. Errors thrown by handlers get the message of `handler_failed`. */
  function reportEach(error: unknown, code: ReportCode, subject: Subject): void {
    void safely(() => {
      const isThrown = code === 'handler_failed' || code === 'permanent_failure'
      const message = isThrown ? withPage(rowOf('handler_failed').message, 'handler_failed') : (error as Error).message
      // Reports from an inbox, such as `lease_ended`, omit the stack: it says nothing, and a crash causes many.
      const err = codeOf(error) === undefined && !isThrown ? (error as Error).cause : error
      const line = {
        logger: subject.logger ?? logger,
        fields: fieldsOf(code, subject, err),
        message: prefix + message,
      }
      writeLine({ ...line, level: 'error' })
    })
    callOnError(error, code, subject)
  }

  return {
    reportFailure(error, subject) {
      const code = codeOf(error)
      if (code === undefined) return reportEach(error, reportCodeOf(error) ?? 'handler_failed', subject)
      const { report } = rowOf(code)
      if (report === 'none') return
      let isFirst = true
      void safely(() => {
        // Inside `safely`, because an error from another copy of this library may have getters that throw.
        const { message, cause } = error as WebhookError
        const line = { logger: subject.logger ?? logger, fields: fieldsOf(code, subject, cause), message }
        // By message, so that each distinct configuration error is reported, even if it comes to light during an outage.
        const isConfiguration = code === 'configuration_invalid' || codeOf(cause) === 'configuration_invalid'
        isFirst = log.write(isConfiguration ? message : code, {
          ...line,
          level: report === 'error' ? 'error' : 'warn',
        })
      })
      if (report === 'warning') return
      if (code === 'raw_body_unavailable' && hasVerified) return
      if (isFirst || subject.isUnverified !== true) callOnError(error, code, subject)
    },
    reportHandlerFailures(failures, subject) {
      for (const failure of failures) {
        const code = codeOf(failure)
        if (code === 'retry_later') continue
        const isOwn = code === 'permanent_failure' || code === 'schema_mismatch'
        reportEach(failure, isOwn ? code : 'handler_failed', subject)
      }
    },
    reportOutcome(outcome) {
      if (onDelivery !== undefined) callHook(() => onDelivery(outcome()))
    },
    warn(message) {
      log.write(message, { logger, level: 'warn', fields: {}, message })
    },
    deliveryVerified() {
      hasVerified = true
    },
    callHook,
    flush: log.flush,
  }
}

function fieldsOf(code: string, { ids, remoteAddress, attempt }: Subject, err: unknown): object {
  return withoutUndefined({ code, ...ids, ...attempt, remoteAddress, err })
}
