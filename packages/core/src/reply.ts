import { codeOf, type WebhookErrorCode } from './errors.ts'

/** What the host must answer, byte for byte. `body` is never empty or null: Koa turns a null body into 204. */
export interface WebhookReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What became of a delivery that is not to be sent again. */
export type Acknowledgement = 'accepted' | 'duplicate' | 'dropped'

/**
 * The reply table: the one place where a code becomes a status. ScrapeNest sends again whatever is not 2xx, for up to
 * three days, and its own guide answers 400 to a stale timestamp and to a bad signature.
 */
const statusOf = {
  body_aborted: 400,
  body_timeout: 408,
  body_too_large: 413,
  configuration_invalid: 500,
  content_encoding_unsupported: 415,
  duplicate_header: 400,
  envelope_invalid: 400,
  event_in_progress: 409,
  handler_failed: 500,
  handler_timeout: 503,
  message_id_invalid: 400,
  method_not_allowed: 405,
  missing_header: 400,
  no_supported_signature: 400,
  permanent_failure: 202,
  raw_body_unavailable: 500,
  receiver_closing: 503,
  retry_later: 503,
  schema_mismatch: 500,
  secret_not_found: 400,
  secret_unavailable: 503,
  signature_mismatch: 400,
  source_not_allowed: 403,
  store_unavailable: 503,
  timestamp_invalid: 400,
  timestamp_outside_tolerance: 400,
} as const satisfies Record<WebhookErrorCode, number>

/** Long enough for a running handler to finish: it is the time ScrapeNest itself waits for a reply. */
const inProgressRetrySeconds = 10
/** Long enough for a store to fail over or a process to restart. */
const unavailableRetrySeconds = 30

// `application/json` written out in full: Express and Fastify append a charset of their own to a shorter value.
const contentType = 'application/json; charset=utf-8'

const acknowledgements = {
  accepted: acknowledge('accepted'),
  duplicate: acknowledge('duplicate'),
  dropped: acknowledge('dropped'),
} as const satisfies Record<Acknowledgement, WebhookReply>

export function acknowledgementReply(acknowledgement: Acknowledgement): WebhookReply {
  return acknowledgements[acknowledgement]
}

/** The reply to a failure. Anything but an error of ours says no more than that a handler failed. */
export function errorReply(error: unknown): WebhookReply {
  const code = codeOf(error)
  // A newer copy of this package may throw codes that this one does not know.
  if (code === undefined || !Object.hasOwn(statusOf, code)) return refuse('handler_failed')
  if (code === 'permanent_failure') return acknowledgements.dropped
  return refuse(code, extraHeaders(code, error))
}

/** Where the adapter is the whole server and the path is another: no delivery, so no code of a delivery. */
export const notFoundReply: WebhookReply = Object.freeze({
  status: 404,
  headers: Object.freeze({ 'content-type': contentType }),
  body: JSON.stringify({ error: 'not_found' }),
})

/** The same reply, and the connection ends with it: what is left of an unread body must not be taken for the next request. */
export function closingConnection(reply: WebhookReply): WebhookReply {
  return { ...reply, headers: { ...reply.headers, connection: 'close' } }
}

function acknowledge(status: Acknowledgement): WebhookReply {
  return Object.freeze({
    status: 202,
    headers: Object.freeze({ 'content-type': contentType }),
    body: JSON.stringify({ status }),
  })
}

function refuse(code: WebhookErrorCode, headers?: Record<string, string>): WebhookReply {
  return {
    status: statusOf[code],
    headers: { 'content-type': contentType, ...headers },
    body: JSON.stringify({ error: code }),
  }
}

function extraHeaders(code: WebhookErrorCode, error: unknown): Record<string, string> | undefined {
  if (code === 'method_not_allowed') return { allow: 'POST' }
  if (code === 'event_in_progress') return { 'retry-after': String(inProgressRetrySeconds) }
  if (code === 'retry_later') return { 'retry-after': retryAfterOf(error) }
  if (statusOf[code] === 503) return { 'retry-after': String(unavailableRetrySeconds) }
  return undefined
}

/** Another copy of this package, or an error made by hand, may say anything: what is no number would break the reply. */
function retryAfterOf(error: unknown): string {
  try {
    const seconds = String((error as { retryAfterSeconds?: unknown }).retryAfterSeconds)
    return /^[1-9][0-9]{0,9}$/.test(seconds) ? seconds : String(unavailableRetrySeconds)
  } catch {
    return String(unavailableRetrySeconds)
  }
}
