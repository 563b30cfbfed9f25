import { codeOf, isWebhookError, type WebhookError, type WebhookErrorCode } from './errors.ts'
import { FaultLog, safely } from './fault-log.ts'
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
  /** The request that is being answered; absent when an inbox runs the handlers. */
  readonly request?: WebhookRequest | undefined
}

/** What is known of a delivery so far; filled in as it proceeds. */
export interface Trace extends EventFacts {
  readonly request: WebhookRequest
  readonly startedAtMs: number
  isBodyRead: boolean
  acknowledgement: Acknowledgement | undefined
  deliveryId: string | undefined
  eventId: string | undefined
  eventType: string | undefined
  secretIndex: number | undefined
}

/** Nobody is told but the sender: it is the protocol at work, or it was told where it happened. */
const silentCodes: ReadonlySet<WebhookErrorCode> = new Set([
  'event_in_progress',
  'handler_failed',
  'permanent_failure',
  'receiver_closing',
  'retry_later',
  'schema_mismatch',
])

/** What the log says of a handler that failed; the error itself stands beside it. */
const handlerMessages = {
  handler_failed: 'A handler failed.',
  permanent_failure: 'A handler gave the event up.',
  schema_mismatch: 'The data of an event does not fit its schema.',
} as const

type HandlerCode = keyof typeof handlerMessages

interface ReporterOptions {
  readonly name: string
  readonly logger: Logger
  readonly onError: ((error: unknown, context: ErrorContext) => unknown) | undefined
  /** A worker has none: it sees no deliveries. */
  readonly onDelivery?: ((outcome: DeliveryOutcome) => unknown) | undefined
}

/** Tells log and hooks what happened. Nothing it calls can change, delay or break a reply. */
export class Reporter {
  readonly #options: ReporterOptions
  readonly #faultLog = new FaultLog()

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  /**
   * A delivery that was not acknowledged, or work for it that failed. Where the other side is to blame (4xx) it is a
   * warning in the log; what the operator has to mend is an error there, and `onError` is told.
   */
  failed(error: unknown, facts: EventFacts): void {
    const code = codeOf(error)
    if (code === undefined) {
      this.#tellHandlerError(error, 'handler_failed', facts)
      return
    }
    if (silentCodes.has(code)) return
    const isRefusal = errorReply(error).status < 500
    // The error may be another copy's, and the request's logger the host's: neither is looked at unguarded.
    void safely(() => {
      const { message, cause } = error as WebhookError
      const level = isRefusal ? 'warn' : 'error'
      this.#faultLog.write(this.#loggerOf(facts), level, fieldsOf(code, facts, cause), this.#prefixed(message))
    })
    if (!isRefusal) this.#callOnError(error, code, facts)
  }

  /** What handlers threw, or a schema refused, each told by itself. Only signed events get here, so every one is written. */
  handlersFailed(failures: readonly unknown[], facts: EventFacts): void {
    for (const failure of failures) {
      const code = codeOf(failure)
      if (code === 'retry_later') continue
      const isOwn = code !== undefined && Object.hasOwn(handlerMessages, code)
      this.#tellHandlerError(failure, isOwn ? (code as HandlerCode) : 'handler_failed', facts)
    }
  }

  /** Every delivery, once its reply is known. */
  answered(status: number, failure: unknown, trace: Trace): void {
    const { onDelivery } = this.#options
    if (onDelivery === undefined) return
    const { startedAtMs, deliveryId, eventId, eventType, secretIndex, acknowledgement, request } = trace
    const code = codeOf(failure)
    this.callHook(() =>
      onDelivery({
        status,
        result: acknowledgement ?? (code === 'permanent_failure' ? 'dropped' : (code ?? 'handler_failed')),
        durationMs: performance.now() - startedAtMs,
        deliveryId,
        eventId,
        eventType,
        secretIndex,
        remoteAddress: request.remoteAddress,
        error: isWebhookError(failure) ? failure : undefined,
      }),
    )
  }

  warn(message: string): void {
    this.#faultLog.write(this.#options.logger, 'warn', { code: message }, this.#prefixed(message))
  }

  /** Calls a hook of the user's and neither waits for it nor lets it throw. */
  callHook(hook: () => unknown): void {
    void safely(hook, (error) => {
      const message = this.#prefixed('A hook (onError, onDelivery or onUnknownEvent) failed.')
      this.#faultLog.write(this.#options.logger, 'error', fieldsOf('hook_failed', {}, error), message)
    })
  }

  close(): void {
    this.#faultLog.flush()
  }

  #tellHandlerError(error: unknown, code: HandlerCode, facts: EventFacts): void {
    const message = this.#prefixed(handlerMessages[code])
    this.callHook(() => this.#loggerOf(facts).error(fieldsOf(code, facts, error), message))
    this.#callOnError(error, code, facts)
  }

  #callOnError(error: unknown, code: WebhookErrorCode, facts: EventFacts): void {
    const { deliveryId, eventId, eventType } = facts
    this.callHook(() => this.#options.onError?.(error, { code, deliveryId, eventId, eventType }))
  }

  #loggerOf(facts: EventFacts): Logger {
    return facts.request?.logger ?? this.#options.logger
  }

  #prefixed(message: string): string {
    return `[${this.#options.name} webhooks] ${message}`
  }
}

/** The fields of a log line: no more of the event than this, and nothing that is not known. */
function fieldsOf(code: string, facts: EventFacts, err: unknown): { readonly code: string } {
  const { deliveryId, eventId, eventType, request } = facts
  const fields = Object.entries({ deliveryId, eventId, eventType, remoteAddress: request?.remoteAddress, err })
  return { code, ...Object.fromEntries(fields.filter(([, value]) => value !== undefined)) }
}
