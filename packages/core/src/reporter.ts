import { defined } from './check-options.ts'
import { codeOf, isWebhookError, type WebhookError, type WebhookErrorCode } from './errors.ts'
import { createFaultLog, safely } from './fault-log.ts'
import type { ErrorContext } from './handling-options.ts'
import type { Logger } from './logger.ts'
import type { DeliveryOutcome } from './receiver-options.ts'
import { type Acknowledgement, errorReply } from './reply.ts'
import type { WebhookRequest } from './request.ts'

/** What a report says of the event it is about, as far as it is known. */
export interface EventFacts {
  readonly deliveryId?: string | undefined
  readonly eventId?: string | undefined
  readonly eventType?: string | undefined
}

/** What a report is about: an event, and the request that brought it, where there is one. */
export interface Subject {
  readonly facts: EventFacts
  /** The request that is being answered; absent when an inbox runs the handlers. */
  readonly request?: WebhookRequest | undefined
}

/** What is known of a delivery so far; filled in as it proceeds. */
export interface Trace extends Subject {
  readonly request: WebhookRequest
  readonly startedAtMs: number
  readonly secretIndex: number | undefined
}

/** Nobody is told but the sender: it is the protocol at work, or it was told where it happened. */
const silentCodes: readonly WebhookErrorCode[] = [
  'event_in_progress',
  'handler_failed',
  'permanent_failure',
  'receiver_closing',
  'retry_later',
  'schema_mismatch',
]

interface ReporterOptions {
  readonly name: string
  readonly logger: Logger
  readonly onError?: ((error: unknown, context: ErrorContext) => unknown) | undefined
  /** A worker has none: it sees no deliveries. */
  readonly onDelivery?: ((outcome: DeliveryOutcome) => unknown) | undefined
}

/** Tells log and hooks what happened. Nothing it calls can change, delay or break a reply. */
export interface Reporter {
  /**
   * A delivery that was not acknowledged, or work for it that failed. Where the other side is to blame (4xx) it is a
   * warning in the log; what the operator has to mend is an error there, and `onError` is told.
   */
  failed(error: unknown, subject: Subject): void
  /** What handlers threw, or a schema refused, each told by itself. Only signed events get here, so every one is written. */
  handlersFailed(failures: readonly unknown[], subject: Subject): void
  /** Every delivery, once its reply is known. @param failure of what was not acknowledged. */
  answered(status: number, acknowledgement: Acknowledgement | undefined, failure: unknown, trace: Trace): void
  warn(message: string): void
  /** Calls a hook of the user's and neither waits for it nor lets it throw. */
  callHook(hook: () => unknown): void
  close(): void
}

export function createReporter({ name, logger, onError, onDelivery }: ReporterOptions): Reporter {
  const prefix = `[${name} webhooks] `
  const { write, flush } = createFaultLog(prefix)

  function callHook(hook: () => unknown): void {
    void safely(hook, (err) => {
      write(logger, 'error', lineFields('hook_failed', { facts: {} }, err), 'A hook failed.')
    })
  }

  function callOnError(error: unknown, code: WebhookErrorCode, { facts }: Subject): void {
    callHook(() => onError?.(error, { code, ...facts }))
  }

  function tellHandlerError(error: unknown, code: WebhookErrorCode, subject: Subject): void {
    callHook(() => {
      const message = code === 'schema_mismatch' ? (error as Error).message : 'A handler failed.'
      return loggerOf(subject).error(lineFields(code, subject, error), prefix + message)
    })
    callOnError(error, code, subject)
  }

  const loggerOf = ({ request }: Subject): Logger => request?.logger ?? logger

  return {
    failed(error, subject) {
      const code = codeOf(error)
      if (code === undefined) return tellHandlerError(error, 'handler_failed', subject)
      if (silentCodes.includes(code)) return
      const isRefusal = errorReply(error).status < 500
      // The error may be another copy's, and the request's logger the host's: neither is looked at unguarded.
      void safely(() => {
        const { message, cause } = error as WebhookError
        const level = isRefusal ? 'warn' : 'error'
        write(loggerOf(subject), level, lineFields(code, subject, cause), message)
      })
      if (!isRefusal) callOnError(error, code, subject)
    },
    handlersFailed(failures, subject) {
      for (const failure of failures) {
        const code = codeOf(failure)
        if (code === 'retry_later') continue
        const isOwn = code === 'permanent_failure' || code === 'schema_mismatch'
        tellHandlerError(failure, isOwn ? code : 'handler_failed', subject)
      }
    },
    answered(status, acknowledgement, failure, { facts, startedAtMs, secretIndex, request }) {
      if (onDelivery === undefined) return
      const code = codeOf(failure) ?? 'handler_failed'
      callHook(() =>
        onDelivery({
          status,
          result: acknowledgement ?? (status === 202 ? 'dropped' : code),
          durationMs: performance.now() - startedAtMs,
          ...facts,
          secretIndex,
          remoteAddress: request.remoteAddress,
          error: isWebhookError(failure) ? failure : undefined,
        }),
      )
    },
    warn: (message) => write(logger, 'warn', { code: message }, message),
    callHook,
    close: flush,
  }
}

/** No more of the event than this, and nothing that is not known. */
function lineFields(code: string, { facts, request }: Subject, err: unknown): { readonly code: string } {
  return defined({ code, ...facts, remoteAddress: request?.remoteAddress, err })
}
