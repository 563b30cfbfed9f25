import { codeOf, isWebhookError, type WebhookError, type WebhookErrorCode } from './errors.ts'
import { FaultLog, safely } from './fault-log.ts'
import type { ErrorContext } from './handling-options.ts'
import type { Logger } from './logger.ts'
import type { DeliveryOutcome } from './receiver-options.ts'
import type { Acknowledgement } from './reply.ts'
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

/**
 * Who is told of a failure besides the sender. `refusal`: the log, as a warning. `fault`: the log, as an error, and
 * `onError`. `silent`: nobody, because it is the protocol at work, or because it was told where it happened.
 */
const audienceOf = {
  body_aborted: 'refusal',
  body_timeout: 'refusal',
  body_too_large: 'refusal',
  configuration_invalid: 'fault',
  content_encoding_unsupported: 'refusal',
  duplicate_header: 'refusal',
  envelope_invalid: 'refusal',
  event_in_progress: 'silent',
  handler_failed: 'silent',
  handler_timeout: 'fault',
  message_id_invalid: 'refusal',
  method_not_allowed: 'refusal',
  missing_header: 'refusal',
  no_supported_signature: 'refusal',
  permanent_failure: 'silent',
  raw_body_unavailable: 'fault',
  receiver_closing: 'silent',
  retry_later: 'silent',
  schema_mismatch: 'silent',
  secret_not_found: 'refusal',
  secret_unavailable: 'fault',
  signature_mismatch: 'refusal',
  source_not_allowed: 'refusal',
  store_unavailable: 'fault',
  timestamp_invalid: 'refusal',
  timestamp_outside_tolerance: 'refusal',
} as const satisfies Record<WebhookErrorCode, 'refusal' | 'fault' | 'silent'>

const handlerMessages: { readonly [Code in WebhookErrorCode]?: string } = {
  permanent_failure: 'A handler gave the event up.',
  schema_mismatch: 'The data of an event does not fit its schema.',
}

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

  /** A delivery that was not acknowledged, or work for it that failed. */
  failed(error: unknown, facts: EventFacts): void {
    const code = codeOf(error)
    if (code === undefined) {
      this.#tellHandlerError(error, 'handler_failed', facts)
      return
    }
    const audience = audienceOf[code]
    if (audience === 'silent') return
    // The error may be another copy's, and the request's logger the host's: neither is looked at unguarded.
    safely(() => this.#writeFault(error as WebhookError, code, audience === 'fault' ? 'error' : 'warn', facts))
    if (audience === 'fault') this.#callOnError(error, code, facts)
  }

  /** What handlers threw, or a schema refused, each told by itself. Only signed events get here, so every one is written. */
  handlersFailed(failures: readonly unknown[], facts: EventFacts): void {
    for (const failure of failures) {
      const code = codeOf(failure)
      if (code === 'retry_later') continue
      const isOwn = code === 'permanent_failure' || code === 'schema_mismatch'
      this.#tellHandlerError(failure, isOwn ? code : 'handler_failed', facts)
    }
  }

  /** Every delivery, once its reply is known. */
  answered(status: number, failure: unknown, trace: Trace): void {
    if (this.#options.onDelivery === undefined) return
    const { startedAtMs, deliveryId, eventId, eventType, secretIndex, acknowledgement } = trace
    const durationMs = performance.now() - startedAtMs
    const code = codeOf(failure)
    const outcome: Omit<DeliveryOutcome, 'remoteAddress'> = {
      status,
      result: acknowledgement ?? (code === 'permanent_failure' ? 'dropped' : (code ?? 'handler_failed')),
      durationMs,
      deliveryId,
      eventId,
      eventType,
      secretIndex,
      error: isWebhookError(failure) ? failure : undefined,
    }
    this.callHook(() => this.#options.onDelivery?.({ ...outcome, remoteAddress: trace.request.remoteAddress }))
  }

  warn(message: string): void {
    const { logger, name } = this.#options
    this.#faultLog.write(logger, 'warn', { code: message, message: `[${name} webhooks] ${message}`, fields: {} })
  }

  /** Calls a hook of the user's and neither waits for it nor lets it throw. */
  callHook(hook: () => unknown): void {
    const failed = (err: unknown): void =>
      this.#faultLog.write(this.#options.logger, 'error', {
        code: 'hook_failed',
        message: `[${this.#options.name} webhooks] A hook (onError, onDelivery or onUnknownEvent) failed.`,
        fields: { err },
      })
    try {
      void Promise.resolve(hook()).catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  close(): void {
    this.#faultLog.flush()
  }

  #writeFault(error: WebhookError, code: WebhookErrorCode, level: 'warn' | 'error', facts: EventFacts): void {
    this.#faultLog.write(facts.request?.logger ?? this.#options.logger, level, {
      code,
      message: `[${this.#options.name} webhooks] ${error.message}`,
      fields: { ...fieldsOf(facts), ...(error.cause === undefined ? {} : { err: error.cause }) },
    })
  }

  #tellHandlerError(err: unknown, code: WebhookErrorCode, facts: EventFacts): void {
    const { name, logger } = this.#options
    this.callHook(() =>
      (facts.request?.logger ?? logger).error(
        { code, err, ...fieldsOf(facts) },
        `[${name} webhooks] ${handlerMessages[code] ?? 'A handler failed.'}`,
      ),
    )
    this.#callOnError(err, code, facts)
  }

  #callOnError(error: unknown, code: WebhookErrorCode, facts: EventFacts): void {
    const { deliveryId, eventId, eventType } = facts
    this.callHook(() => this.#options.onError?.(error, { code, deliveryId, eventId, eventType }))
  }
}

function fieldsOf({ deliveryId, eventId, eventType, request }: EventFacts): object {
  return {
    ...(deliveryId === undefined ? {} : { deliveryId }),
    ...(eventId === undefined ? {} : { eventId }),
    ...(eventType === undefined ? {} : { eventType }),
    ...(request?.remoteAddress === undefined ? {} : { remoteAddress: request.remoteAddress }),
  }
}
